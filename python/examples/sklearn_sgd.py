"""scikit-learn: a linear classifier that learns with `partial_fit`."""

import numpy as np
from sklearn.linear_model import SGDClassifier

import allot.trainer


class Classifier:
    def setup(self, job):
        self.classes = np.arange(job.classes)
        self.shape = (job.classes, job.x.shape[0])
        self.seed = job.seed
        self.flat = np.zeros(job.classes * (job.x.shape[0] + 1), np.float32)
        self.set_parameters(self.flat)

    def parameters(self):
        parts = [self.model.coef_.ravel(), self.model.intercept_]
        return np.concatenate(parts).astype(np.float32)

    def set_parameters(self, flat):
        self.model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=self.seed)
        # A first step gives the model its shape; then it takes what it is given.
        self.model.partial_fit(np.zeros((1, self.shape[1])), [0], classes=self.classes)
        weights, intercept = np.split(flat.astype(np.float64), [self.shape[0] * self.shape[1]])
        self.model.coef_[...] = weights.reshape(self.shape)
        self.model.intercept_[...] = intercept

    def train(self, batch):
        self.model.partial_fit(batch.x / 255, batch.y)

    def evaluate(self, batches):
        hits = samples = 0
        loss = 0.0
        for batch in batches:
            p = self.model.predict_proba(batch.x / 255)
            own = p[np.arange(len(batch)), batch.y]
            hits += int((p.argmax(axis=1) == batch.y).sum())
            loss -= float(np.log(np.maximum(own, 1e-12)).sum())
            samples += len(batch)
        return {"loss": loss / samples, "accuracy": hits / samples}


if __name__ == "__main__":
    allot.trainer.serve(Classifier())
