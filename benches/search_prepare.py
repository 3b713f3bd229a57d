"""Makes what the measurement of search needs: the vectors, and the programs. What is there already stays."""
from prepare import CARGO_OUT, HERE, REQUIREMENTS, SEARCH, VENV_PYTHON, WORK, Tools, Unavailable

DATA = WORK / "search-data"


class Searched:
    """A program whose search is measured. Those with one `store` search what one of them has stored."""

    def __init__(self, name, title, command, store=None, environment=None):
        self.name, self.title, self.command = name, title, [str(c) for c in command]
        self.store, self.environment = store or name, environment or {}


class SearchBench(Tools):
    def prepare(self, without, sizes):
        """The programs that can be measured."""
        WORK.mkdir(parents=True, exist_ok=True)
        self._venv(REQUIREMENTS, SEARCH)
        self._run("vectors (%.1f GB) and the right answers" % (max(sizes) * 1536e-9),
                  [VENV_PYTHON, HERE / "search_data.py", DATA] + sizes)
        self._cargo("qntx")
        ours = CARGO_OUT / "release" / "bench-qntx-search"
        programs = [Searched("qntx", "libqntx_embed", [ours]),
                    Searched("qntx-not-resident", "libqntx_embed, not resident", [ours], "qntx",
                             dict(BENCH_MAX_RESIDENT_BYTES="1"))]
        for name, title in (("sqlite-vec", "sqlite-vec"), ("faiss", "faiss IndexFlatIP"), ("numpy", "numpy")):
            if name not in without:
                programs.append(Searched(name, title, [VENV_PYTHON, HERE / ("search_%s.py" % name.replace("-", "_"))]))
        if "chromem" not in without:
            try:
                self._run("building chromem-go", ["go", "build", "-o", WORK / "bench-chromem", "."],
                          cwd=HERE / "peers" / "chromem")
                programs.append(Searched("chromem", "chromem-go", [WORK / "bench-chromem"]))
            except Unavailable as reason:
                self.unavailable["chromem-go"] = str(reason)
                self.say("chromem-go is left out: %s" % reason)
        return programs
