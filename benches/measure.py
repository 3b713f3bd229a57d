"""Runs one program as a whole process, alone, and says what it printed and what it took."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

TIMEOUT = 1800


class Failed(Exception):
    pass


def run(command, environment):
    """Its JSON line, with `peak_mb`, `cpu_s`, `wall_s`, and what else the machine did meanwhile (shares of all cores):
    `others` by other processes, `stolen` by the hypervisor."""
    before, start = machine_seconds(), time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=errors, env=environment)
        # One that hangs must not hold up the run for ever.
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        try:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)  # unlike wait() it gives this process's peak of memory
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        wall, after = time.monotonic() - start, machine_seconds()
        process.returncode = status
        lines = output.decode("utf-8", "replace").strip().splitlines()
        if status or not lines:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines()[-6:]
            raise Failed("%s: %s\n    %s" % (" ".join(map(str, command)), reason(status), "\n    ".join(said)))
    result = json.loads(lines[-1])
    cpu = usage.ru_utime + usage.ru_stime
    result.update(peak_mb=usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), cpu_s=cpu, wall_s=wall)
    if before and after:
        capacity = wall * os.cpu_count()
        result.update(others=max(0.0, after[0] - before[0] - cpu) / capacity, stolen=(after[1] - before[1]) / capacity)
    return result


def reason(status):
    if os.WIFSIGNALED(status):
        return "ended by signal %d (%d is given after %d s)" % (os.WTERMSIG(status), signal.SIGKILL, TIMEOUT)
    return "ended with code %d%s" % (os.WEXITSTATUS(status), "" if os.WEXITSTATUS(status) else " and printed nothing")


def machine_seconds():
    """Processor seconds of all processes, and those that the hypervisor took; None where there is no /proc/stat."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _wait, irq, softirq, stolen = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, stolen / tick
