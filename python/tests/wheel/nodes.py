"""Nodes that train elsewhere: what is learnt of them, and the plans that follow. No Flower is needed."""

import unittest

import allot
from allot._nodes import Nodes


def nodes(batches=100, limit=10.0, beta=1, s_min=1, margin=0.0, objective="cheapest-then-quickest"):
    return Nodes(batches, limit, beta, s_min, objective, margin)


class Planning(unittest.TestCase):
    def test_the_cheap_ones_are_filled_and_the_rest_goes_to_the_next(self):
        known = nodes()
        known.measured(7, 1.0, 10, 2.0, 3.0)  # 0.2 s a batch, 1 s on the way: 45 in 10 s
        known.measured(3, 2.0, 10, 1.0, 1.0)  # 0.1 s a batch
        known.measured(5, 9.0, 10, 0.1, 0.1)
        shares = known.shares([3, 5, 7])
        self.assertEqual({node: share.batches for node, share in shares.items()}, {7: 45, 3: 55})
        self.assertEqual(shares[7].seconds, 9.0)
        self.assertEqual(str(known.plan.cost), "155")

    def test_who_is_away_or_unknown_gets_nothing(self):
        known = nodes(batches=40)
        known.measured(7, 1.0, 10, 2.0, 2.0)
        known.measured(3, 2.0, 10, 1.0, 1.0)
        self.assertEqual(set(known.shares([3, 8])), {3})
        with self.assertRaisesRegex(allot.Infeasible, "0 nodes, 40 batches within 10.0 s"):
            known.shares([8])

    def test_a_margin_leaves_time_to_spare(self):
        known = nodes(batches=80, margin=0.25)
        known.measured(1, 1.0, 10, 1.0, 1.0)
        self.assertEqual(known.shares([1])[1].batches, 80)
        known = nodes(batches=81, margin=0.25)
        known.measured(1, 1.0, 10, 1.0, 1.0)
        with self.assertRaises(allot.Infeasible):
            known.shares([1])
        with self.assertRaisesRegex(allot.InputError, "margin is -0.1"):
            nodes(margin=-0.1)

    def test_more_nodes_than_are_needed_for_beta(self):
        known = nodes(batches=10, beta=2, s_min=3)
        known.measured(1, 1.0, 10, 1.0, 1.0)
        known.measured(2, 5.0, 10, 1.0, 1.0)
        self.assertEqual({n: s.batches for n, s in known.shares([1, 2]).items()}, {1: 7, 2: 3})


class Learning(unittest.TestCase):
    def test_speeds_follow_what_is_measured(self):
        known = nodes()
        known.measured(1, 1.0, 10, 1.0, 1.0)
        for _ in range(20):
            known.measured(1, 1.0, 10, 3.0, 3.0)
        self.assertAlmostEqual(known.known[1].batch_seconds, 0.3, places=5)

    def test_a_longer_way_is_believed_at_once_and_a_shorter_one_slowly(self):
        known = nodes()
        known.measured(1, 1.0, 10, 1.0, 2.0)
        known.measured(1, 1.0, 10, 1.0, 7.0)
        self.assertEqual(known.known[1].fixed_seconds, 6.0)
        known.measured(1, 1.0, 10, 1.0, 3.0)
        self.assertEqual(known.known[1].fixed_seconds, 4.0)

    def test_a_node_that_slows_down_gets_less(self):
        known = nodes(batches=60)
        for node, fee in ((1, 1.0), (2, 2.0)):
            known.measured(node, fee, 10, 1.0, 1.0)
        before = known.shares([1, 2])
        for _ in range(10):
            known.measured(1, 1.0, 10, 4.0, 4.0)
        after = known.shares([1, 2])
        self.assertEqual({n: s.batches for n, s in before.items()}, {1: 60})
        self.assertEqual({n: s.batches for n, s in after.items()}, {1: 25, 2: 35})


if __name__ == "__main__":
    unittest.main()
