"""The page of people in a process of its own, and a client that answers by the contract."""

import os
import signal
import subprocess
import sys
import time

import httpx


class Served:
    """A command that serves the page, such as ``["annotate", "--out", ...]``, in a process of its own."""

    def __init__(self, words, cache):
        words = [sys.executable, "-m", "bench", *words]
        environment = os.environ | {"ALC_BENCH_CACHE": str(cache)}
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process = subprocess.Popen(words, env=environment, **pipes)
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), self.process.communicate()
        base, token = self.address.split("/?token=")
        self.client = httpx.Client(base_url=base, params={"token": token}, timeout=60)

    def question(self):
        while True:
            found = self.client.get("/api/question").json()
            if "wait" not in found:
                return found
            time.sleep(0.05)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
