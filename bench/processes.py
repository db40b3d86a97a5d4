"""Servers and clients as processes of their own, in a network of their own."""

import os
import pathlib
import subprocess
import sys
import time

from measure import Time

CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"


def enter_own_network(congestion):
    """Runs this program again in a network of its own, whose TCP has this congestion control for every connection of every
    program alike; the machine's is left alone. Algorithms that pace (bbr) bound the loopback, not the programs."""
    if os.environ.get("BENCH_NETWORK") != congestion:
        os.environ["BENCH_NETWORK"] = congestion
        alone = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        os.execvp(alone[0], alone + [sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path(CONGESTION).write_text(congestion, encoding="ascii")


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of the whole process: clock_getcpuclockid(3)


class Server:
    """A server process, once it says where it serves."""

    def __init__(self, command, says, output="stdout"):
        pipes = {"stdout": subprocess.DEVNULL, "stderr": None, output: subprocess.PIPE}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **pipes)
        self.pid = self.process.pid
        for line in getattr(self.process, output):
            before, found, rest = line.partition(says)
            if found:
                self.address = rest.split()[0]
                return
        raise SystemExit(f"{command[0]} does not serve")

    def close(self):
        self.process.kill()
        self.process.wait()

    def memory(self):
        """Bytes: resident now, and at most since the last reset_peak()."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        field = lambda name: int(status.partition(name + ":")[2].split()[0]) * 1024
        return field("VmRSS"), field("VmHWM")

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")


class Client:
    """A client process for one kind of case: what a heap has been through is part of its speed."""

    def __init__(self, command, server):
        self.server = server
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return answer or "error: the client has died"

    def run(self, line):
        own, other = cpu_seconds(self.process.pid), cpu_seconds(self.server.pid)
        answer = self.ask(line)
        if answer.startswith("error"):
            raise SystemExit(f"{line}: {answer}")
        own, other = cpu_seconds(self.process.pid) - own, cpu_seconds(self.server.pid) - other
        wall, *fairness = map(float, answer.split())
        return Time(wall, own, other, *fairness)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
