"""Measures a peer on request, as `dymo-bench serve` does: a line with a task in, a line with seconds out."""

import argparse
import json
import sys
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["lean", "published"])
    parser.add_argument("--case", required=True, help="folder that dymo-bench wrote")
    parser.add_argument("--checkout", help="checkout of the published code")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--once", help="one task without being asked, then the end")
    parser.add_argument("--samples", type=int, help="the first so many samples (lean)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    # Subnormal numbers in early training slow PyTorch down by an order of magnitude.
    torch.set_flush_denormal(True)
    if arguments.peer == "lean":
        import lean

        tasks = lean.tasks(arguments.case, arguments.samples)
    else:
        import published

        tasks = published.tasks(arguments.case, arguments.checkout)
    if arguments.once:
        return say(tasks[arguments.once]())
    say({"ready": True})
    # Once: a training step draws other subsets every time, as ours does.
    torch.manual_seed(1)
    for line in sys.stdin:
        task = tasks[line.strip()]
        began, processor = time.perf_counter(), time.process_time()
        answer = task() or {}
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
        say({"seconds": seconds, "processor": processor, **answer})


def say(answer):
    # The published code prints to standard output; answers are what begins with a brace.
    sys.__stdout__.write("\n" + json.dumps(answer) + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    main()
