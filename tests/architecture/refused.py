"""What must not compile: each file of tests/refused is good as it stands, and refused with -DREFUSED."""
import shutil
import subprocess

import harness


def compiles(path, *more):
    words = ["g++", "-std=c++20", "-fsyntax-only", f"-I{harness.ROOT}", *more, str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_what_must_not_compile_does_not(world):
    if shutil.which("g++") is None:
        raise harness.Skip("g++ is not installed")
    files = sorted((harness.ROOT / "tests/refused").glob("*.cpp"))
    assert len(files) >= 4, files
    for path in files:
        good = compiles(path)
        assert good.returncode == 0, good.stderr
        assert compiles(path, "-DREFUSED").returncode != 0, f"{path.name} compiles"


harness.main(globals())
