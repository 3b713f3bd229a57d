"""Makes everything that is measured: a virtual environment, the peers, the texts. What is there already stays."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "target" / "bench"
VENV_PYTHON = WORK / "venv" / "bin" / "python"
CARGO_OUT = WORK / "cargo"
LOG = WORK / "prepare.log"
REQUIREMENTS, TORCH, SEARCH = (HERE / ("requirements%s.txt" % kind) for kind in ("", "-torch", "-search"))


class Unavailable(Exception):
    """A program that cannot be had on this machine, and why."""


class Program:
    """Something that is measured. `sorted` ones get the texts longest first, as a caller who knows would give them."""

    def __init__(self, name, title, command, callers=True, sorted_texts=False, environment=None):
        self.name, self.title, self.command = name, title, [str(c) for c in command]
        self.callers, self.sorted_texts, self.environment = callers, sorted_texts, environment or {}


class Tools:
    """How things are made: packages of Python, programs in Rust and Go."""

    def __init__(self, say):
        self.say, self.unavailable = say, {}

    def environment(self):
        """That of every measured program. What is set for another machine's OpenBLAS would slow numpy down."""
        not_ours = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "VIRTUAL_ENV")
        environment = {k: v for k, v in os.environ.items() if k not in not_ours}
        environment.update(PYTHONDONTWRITEBYTECODE="1")
        return environment

    def _venv(self, *requirements):
        """With the packages of these files; each file's hash is kept when they are there."""
        stamp = WORK / "venv" / "bench-packages"
        have = json.loads(stamp.read_text()) if stamp.exists() else {}
        wanted = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in requirements}
        if wanted.items() <= have.items():
            return
        if not VENV_PYTHON.exists():
            self._run("a virtual environment", [newest_python(), "-m", "venv", WORK / "venv"])
        pip = [VENV_PYTHON, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        for file in requirements:
            pip += ["-r", file]
        torch = TORCH in requirements
        try:
            self._run("Python packages" + (" (torch: 3 GB, minutes)" if torch else ""), pip)
        except Unavailable as reason:
            raise Unavailable("%s\nThe pinned packages need Python 3.11 or newer on the PATH (then delete %s) and a package "
                              "index%s" % (reason, WORK / "venv", "; torch is not needed with BENCH='--without torch'"
                                           if torch else ""))
        stamp.write_text(json.dumps(dict(have, **wanted)))

    def _cargo(self, name, *flags):
        if name == "qntx":
            lock, own = ROOT / "Cargo.lock", HERE / "peers" / "qntx" / "Cargo.lock"
            stamp = WORK / "qntx-lock"
            now = hashlib.sha256(lock.read_bytes()).hexdigest()
            if not own.exists() or not stamp.exists() or stamp.read_text() != now:
                shutil.copy(str(lock), str(own))
                stamp.write_text(now)
        self._run("building " + name, ["cargo", "build", "--release", "--manifest-path", manifest(name)] + list(flags))
        return CARGO_OUT / "release" / ("bench-" + name)

    def _run(self, what, command, cwd=None, **environment):
        self.say("preparing: " + what)
        with open(str(LOG), "wb") as out:
            try:
                code = subprocess.call([str(c) for c in command], cwd=str(cwd or ROOT), stdout=out, stderr=out,
                                       env=dict(os.environ, CARGO_TARGET_DIR=str(CARGO_OUT), **environment))
            except OSError as error:
                raise Unavailable("%s: %s" % (what, error))
        if code:
            tail = LOG.read_text("utf-8", "replace").strip().splitlines()[-12:]
            raise Unavailable("%s failed (%s)\n    %s" % (what, " ".join(map(str, command)), "\n    ".join(tail)))

    @staticmethod
    def _output(command, cwd):
        try:
            return subprocess.check_output(command, cwd=str(cwd), universal_newlines=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable("%s: %s" % (" ".join(command), error))


class Workbench(Tools):
    """The directories and the programs of one run."""

    def __init__(self, model, onnxruntime, texts, say):
        super().__init__(say)
        self.model, self.onnxruntime, self.texts = Path(model), Path(onnxruntime), texts
        self.onnx = WORK / "model"
        self.corpora = WORK / ("corpus-%d" % texts)

    def environment(self):
        """What every program is told, see README.md."""
        environment = super().environment()
        environment.update(
            BENCH_MODEL=str(self.model), BENCH_ONNX=str(self.onnx), BENCH_ONNXRUNTIME=str(self.onnxruntime),
            BENCH_ONNXRUNTIME_LINK=str(self.link), BENCH_MAX_TOKENS=str(self.max_tokens),
            BENCH_CORPUS=str(self.corpora / "mixed.json"), ORT_DYLIB_PATH=str(self.onnxruntime),
            CRITERION_HOME=str(WORK / "criterion"), CARGO_TARGET_DIR=str(CARGO_OUT),
            HF_HUB_OFFLINE="1")
        return environment

    def prepare(self, without, defaults):
        """The programs that can be measured."""
        WORK.mkdir(parents=True, exist_ok=True)
        torch = "sentence-transformers" not in without
        self._venv(REQUIREMENTS, *([TORCH] if torch else []))
        self._run("texts from Go's standard library", [VENV_PYTHON, HERE / "corpus.py", self.model, self.corpora,
                                                      "--texts", self.texts])
        self._run("the model as ONNX", [VENV_PYTHON, HERE / "make_onnx.py", self.model, self.onnx])
        self._link_onnxruntime()
        self.max_tokens = max_tokens(self.model)

        ours = self._cargo("qntx")
        programs = [
            Program("qntx", "libqntx_embed", [ours]),
            Program("qntx-int8", "libqntx_embed, int8", [ours], environment=dict(BENCH_PRECISION="int8")),
            Program("reference", "reference (Python, ONNX Runtime)", [VENV_PYTHON, HERE / "reference.py"]),
        ]
        if torch:
            programs.append(Program("sentence-transformers", "sentence-transformers",
                                    [VENV_PYTHON, HERE / "sentence_transformers_program.py"]))
        published = dict(BENCH_ONNX=str(WORK / "model-published"))
        for name, build, more in (
                ("hugot", self._hugot, ("hugot, its defaults", published)),
                ("fastembed", lambda: self._cargo("fastembed", "--locked"),
                 ("fastembed, its defaults", dict(BENCH_DEFAULTS="1")))):
            if name in without:
                continue
            try:
                program = build()
            except Unavailable as reason:
                self.unavailable[name] = str(reason)
                self.say("%s is left out: %s" % (name, reason))
                continue
            programs.append(Program(name, name, [program]))
            programs.append(Program(name + "-sorted", name + ", texts sorted", [program], callers=False,
                                    sorted_texts=True))
            if defaults:
                title, environment = more
                programs.append(Program(name + "-defaults", title, [program], callers=False, environment=environment))
        if defaults:
            self._publish()
        return programs

    def build_criterion(self):
        """The program, to be started without cargo: that would build anew where a source has changed meanwhile."""
        self._run("building the inside benchmark", ["cargo", "bench", "--no-run", "--bench", "embed",
                                                    "--message-format", "json", "--manifest-path", manifest("qntx")])
        messages = [json.loads(line) for line in LOG.read_text("utf-8").splitlines() if line.startswith("{")]
        return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "embed")

    def _hugot(self):
        module = HERE / "peers" / "hugot"
        source = self._output(["go", "mod", "download", "-json", "github.com/daulet/tokenizers"], cwd=module)
        source = Path(re.search(r'"Dir": "([^"]+)"', source).group(1))
        crate = WORK / "tokenizers"
        (crate / "src").mkdir(parents=True, exist_ok=True)
        for file, to in ((source / "src" / "lib.rs", crate / "src"), (module / "tokenizers" / "Cargo.toml", crate),
                         (module / "tokenizers" / "Cargo.lock", crate)):
            self._copy_if_other(file, to / file.name)
        self._run("building hugot's tokenizers", ["cargo", "build", "--release", "--locked", "--manifest-path",
                                                  crate / "Cargo.toml"])
        self._run("building hugot", ["go", "build", "-tags", "ORT", "-o", WORK / "bench-hugot", "."], cwd=module,
                  CGO_LDFLAGS="-L%s" % (CARGO_OUT / "release"))
        return WORK / "bench-hugot"

    def _link_onnxruntime(self):
        """hugot wants a directory in which the library has this name."""
        link = WORK / "onnxruntime" / ("libonnxruntime" + (".dylib" if sys.platform == "darwin" else ".so"))
        link.parent.mkdir(exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self.onnxruntime)
        self.link = link

    def _publish(self):
        """The graph beside tokenizer.json as it is published."""
        directory = WORK / "model-published"
        directory.mkdir(exist_ok=True)
        for file in self.onnx.iterdir():
            self._copy_if_other(self.model / file.name if file.name == "tokenizer.json" else file, directory / file.name)

    @staticmethod
    def _copy_if_other(file, to):
        """Without a new time for what is the same, and without read-only modes (Go's module cache has them)."""
        content = file.read_bytes()
        if not to.exists() or to.read_bytes() != content:
            to.write_bytes(content)


def newest_python():
    """The pinned packages need 3.11; the one that runs this may be older."""
    if sys.version_info >= (3, 11):
        return sys.executable
    return next(filter(None, (shutil.which("python3.%d" % minor) for minor in (13, 12, 11, 14))), sys.executable)


def manifest(name):
    return HERE / "peers" / name / "Cargo.toml"


def max_tokens(model):
    return json.loads((model / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
