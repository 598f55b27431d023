"""A real SuperLink and four SuperNodes of different speed on loopback: AllotFedAvg beside FedAvg on the same job.

    python loopback.py [RUNS [SECONDS]]

It needs the package with flwr. A run of each strategy, in turns, with this limit of a round for Allot; then a
table, and 1 if a bar is missed.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = Path(__file__).resolve().parent / "flower"
BIN = Path(sys.executable).parent
# Batch seconds and fee: who is quick is expensive.
NODES = [(0.03, 4.0), (0.06, 2.5), (0.1, 1.5), (0.2, 1.0)]
LIMIT = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
ROUNDS, BATCHES = 3, 240


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Federation:
    """The processes, in a folder of their own; they end with the block."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.processes = []
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "FLWR_HOME": str(self.folder / "home"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def begin(self, name, *command):
        log = open(self.folder / f"{name}.log", "w", encoding="utf-8")
        self.processes.append(
            subprocess.Popen([str(BIN / command[0]), *command[1:]], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=subprocess.STDOUT, env=self.environment, cwd=self.folder, start_new_session=True)
        )

    def __enter__(self):
        self.port = port()
        (self.folder / "home").mkdir()
        (self.folder / "home" / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{self.port}"\ninsecure = true\n'
        )
        self.begin("superlink", "flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(self.port))
        self.await_port(self.port)
        for index, (seconds, fee) in enumerate(NODES):
            self.begin(
                f"node-{index}", "flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{self.port}",
                "--host", "127.0.0.1", "--port", str(port()),
                "--node-config", f"seed={index + 1} batch-seconds={seconds} fee={fee}",
            )
        return self

    def await_port(self, number):
        for _ in range(300):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", number)) == 0:
                    return
            time.sleep(0.1)
        raise SystemExit(f"the SuperLink does not listen: {(self.folder / 'superlink.log').read_text()}")

    def __exit__(self, *_):
        for process in self.processes:
            try:
                os.killpg(process.pid, 15)
            except ProcessLookupError:
                pass
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)

    def run(self, strategy, number):
        out = self.folder / f"{strategy}-{number}.json"
        config = f'strategy="{strategy}" rounds={ROUNDS} batches={BATCHES} limit={LIMIT} out="{out}"'
        subprocess.run([str(BIN / "flwr"), "run", str(APP), "here", "--run-config", config], check=True, timeout=300,
                       env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL)
        for _ in range(1200):
            if out.exists():
                time.sleep(0.2)
                return json.loads(out.read_text())
            time.sleep(0.2)
        raise SystemExit(f"no answer: {(self.folder / 'superlink.log').read_text()[-5000:]}")


def main(runs):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes end too
    found = {"fedavg": [], "allot": []}
    with tempfile.TemporaryDirectory() as folder, Federation(folder) as federation:
        for number in range(runs):
            for strategy in found:
                account = federation.run(strategy, number)
                found[strategy].append(account)
                print(json.dumps(account), flush=True)
    print(f"\n{'strategy':<10}{'time of a round s':>20}{'all s':>8}{'fee':>9}{'accuracy':>10}")
    for strategy, accounts in found.items():
        rounds = [seconds for account in accounts for seconds in account["round_seconds"]]
        if strategy == "allot":  # the first has the benchmark before it
            rounds = [row["seconds"] for account in accounts for row in account["rounds"]]
        print(f"{strategy:<10}{statistics.median(rounds):>14.1f}/{max(rounds):.1f}"
              f"{statistics.median(account['seconds'] for account in accounts):>8.1f}"
              f"{statistics.mean(account['fee'] for account in accounts):>9.1f}"
              f"{statistics.mean(account['accuracy'] for account in accounts):>10.3f}")
    bad = []
    for account in found["allot"]:
        for row in account["rounds"]:
            if row["seconds"] > LIMIT:
                bad.append(f"a round took {row['seconds']:.1f} s of {LIMIT}")
            if row["done"] != row["planned"]:
                bad.append(f"planned {row['planned']}, trained {row['done']}")
    mean = {name: statistics.mean(a["accuracy"] for a in accounts) for name, accounts in found.items()}
    if mean["allot"] < mean["fedavg"] - 0.02:
        bad.append(f"the model is worse: {mean}")
    if max(a["fee"] for a in found["allot"]) >= min(a["fee"] for a in found["fedavg"]):
        bad.append("the fee is not lower")
    print("\n".join(f"MISSED: {what}" for what in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
