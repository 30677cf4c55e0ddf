"""A process that serves one function, as Lambda keeps one warm: ``python -ISB served.py SPEC``.

Each line that comes in is a JSON list of events, and each line that goes out tells of them: milliseconds of CPU and of
time for each, the statuses, the ids of what was made, and the bytes that were resident at most since the process began.
"""

# ruff: noqa: PLC0415 - what is imported depends on what is served
# ruff: noqa: ANN001, ANN201, ANN204 - as above, to be as light as Lambda's own
import collections
import importlib.util
import json
import os
import sys
import time


class Context:
    """Lambda's context of one invocation."""

    function_name, memory_limit_in_mb = "bench", 512
    invoked_function_arn, aws_request_id = "arn:aws:lambda:us-east-1:0:function:bench", "0"

    def __init__(self):
        self.end = time.monotonic() + 25

    def get_remaining_time_in_millis(self):
        """As Lambda's does."""
        return int((self.end - time.monotonic()) * 1000)


def find(spec):
    """The handler that is to be served."""
    if "file" not in spec:
        import handler

        return handler.handler
    module_spec = importlib.util.spec_from_file_location("served", spec["file"])
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.handler


def serve(handler, events):
    """Invoke it with one event after the other."""
    cpu, wall, statuses, ids = [], [], collections.Counter(), []
    for event in events:
        context = Context()
        cpu_begun, begun = time.process_time(), time.perf_counter()
        response = handler(event, context)
        cpu.append((time.process_time() - cpu_begun) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
        told = response.get("statusCode") if isinstance(response, dict) else None
        statuses[str(told)] += 1
        if told == 201:
            body = json.loads(response["body"])
            ids.append(body.get("requestId") or body["orderId"])
    return {"cpu": cpu, "wall": wall, "statuses": statuses, "ids": ids}


def resident():
    """Bytes of this program at most. The system's usage counts what its parent had when it was forked, too."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is of no use here
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main():
    """Serve until nothing comes any more."""
    spec = json.loads(sys.argv[1])
    sys.path[:0] = spec["path"]
    out = sys.stdout
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - logs go there until the end
    handler = find(spec)
    for line in sys.stdin:
        told = serve(handler, json.loads(line))
        told["rss"] = resident()
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
