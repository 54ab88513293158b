"""The walls: which folder may include which, and what no file may say."""
import csv
import re
import subprocess

import harness

# folder: the folders it may include from. A private folder (the worker's) is named by itself alone.
FLOOR = {"evidence/values", "evidence/system", "evidence/formats"}
EVIDENCE = FLOOR | {"evidence", "evidence/warc", "evidence/timestamps", "evidence/verify"}
FETCHERS = FLOOR | {"fetchers", "fetchers/http", "fetchers/references", "fetchers/sites", "fetchers/reading", "fetchers/torrents"}
AGENT = EVIDENCE | FETCHERS | {"agent", "agent/commands", "agent/settings", "agent/work", "agent/service", "agent/index"}
ALLOWED = {
    "evidence/values": FLOOR,
    "evidence/formats": {"evidence/values", "evidence/formats"},
    "evidence/system": {"evidence/values", "evidence/system"},
    "evidence": EVIDENCE - {"evidence/verify"},
    "evidence/warc": FLOOR | {"evidence", "evidence/warc"},
    "evidence/timestamps": FLOOR | {"evidence", "evidence/timestamps"},
    "evidence/verify": EVIDENCE,
    "fetchers": FLOOR | {"fetchers"},
    "fetchers/http": FLOOR | {"fetchers", "fetchers/http"},
    "fetchers/references": FLOOR | {"fetchers", "fetchers/references"},
    "fetchers/sites": FLOOR | {"fetchers", "fetchers/sites"},
    "fetchers/reading": FLOOR | {"fetchers", "fetchers/references", "fetchers/sites", "fetchers/reading"},
    "fetchers/reading/worker": FLOOR | {"fetchers", "fetchers/references", "fetchers/sites", "fetchers/reading", "fetchers/reading/worker"},
    "fetchers/torrents": FLOOR | {"fetchers", "fetchers/torrents"},
    "fetchers/torrents/worker": FLOOR | {"fetchers", "fetchers/http", "fetchers/torrents", "fetchers/torrents/worker", "fetchers/torrents/worker/disk", "fetchers/torrents/worker/web"},
    "fetchers/torrents/worker/web": FLOOR | {"fetchers", "fetchers/http", "fetchers/torrents", "fetchers/torrents/worker/disk", "fetchers/torrents/worker/web"},
    "fetchers/torrents/worker/disk": FLOOR | {"fetchers/torrents/worker/disk"},
    "agent": AGENT,
    "agent/commands": AGENT,
    "agent/settings": FLOOR | {"agent/settings"},
    "agent/work": AGENT - {"agent", "agent/commands"},
    "agent/service": FLOOR | {"agent/service"},
    "agent/index": EVIDENCE - {"evidence/verify", "evidence/warc"} | {"agent/index"},
}
# Single edges beside the table, with their reasons.
EXCEPTIONS = {
    ("evidence/system", "evidence/formats"): "frames speak CBOR",
    ("fetchers/torrents/worker/web", "fetchers/torrents/worker"): "web_exchange.h, which the swarm record keeps",
    ("agent/work/outcome_text.h", "agent/service"): "texts for the terminal",
}
# Headers that may stand in one place only.
ONLY_IN = {
    r"<libtorrent/": "fetchers/torrents/worker",
    r"<boost/": "fetchers/torrents/worker",
    r"<(libxml|brotli|uchardet)/": "fetchers/reading/worker",
    r"<(magic|iconv|zstd)\.h": "fetchers/reading/worker",
    r"<curl/": "fetchers",
    r"<re2/": "fetchers",
    r"<openssl/": "evidence",
    r"<seccomp": "evidence/system",
    r"<CLI/": "agent",
    r"<soci/": "agent/index",
    r"<sqlite3": "agent/index",
}
ONLY_IN_EXCEPTIONS = {
    ("fetchers/http/handshake.cpp", r"<openssl/"): "what a connection's own handshake said, which libcurl gives as OpenSSL's object",
    ("agent/main.cpp", r"<curl/"): "libcurl is initialised once, before any thread",
    ("agent/work/session.cpp", r"<curl/"): "agent.started names its version",
    ("agent/work/session.cpp", r"<openssl/"): "agent.started names its version",
    ("evidence/values/result.h", r"<boost/"): "Result is Boost.Outcome's basic_result",
}

# Words of the workshop, not of the project; each pattern is written so that it does not match itself.
FORBIDDEN = [r"(?<![\w/.])/wo[r]k/", r"(?<![\w/.])/fa[r]m/", r"sub[a]gent", r"the is[s]ue", r"is[s]ue #?\d", r"regis[t]ry\.npmjs", r"Step [0-9]+ of"]
NAMES = [r"\b(class|struct|enum class)\s+\w*(Manager|Helper|Util|Utils|Info|Impl)\b"]

LINES_MAX = 400  # about 300 is good; beyond this a file is more than one concept
COLUMNS_MAX = 180


def sources(*suffixes, folders=("agent", "evidence", "fetchers")):
    found = [path for folder in folders for path in sorted((harness.ROOT / folder).rglob("*")) if path.suffix in suffixes]
    assert found, folders
    return found


def relative(path):
    return str(path.relative_to(harness.ROOT))


def test_each_folder_includes_only_what_it_may(world):
    wrong = []
    for path in sources(".h", ".cpp"):
        folder = relative(path.parent)
        if folder not in ALLOWED:
            wrong.append(f"{relative(path)}: the table of allowed edges has no {folder}")
            continue
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
            target = included.rpartition("/")[0]
            excepted = (folder, target) in EXCEPTIONS or (relative(path), target) in EXCEPTIONS
            if target not in ALLOWED[folder] and not excepted:
                wrong.append(f"{relative(path)} includes {included}")
            if not (harness.ROOT / included).exists():
                wrong.append(f"{relative(path)} includes {included}, which is not there from the root")
    assert not wrong, "\n".join(wrong)


def test_foreign_headers_stay_in_their_place(world):
    wrong = []
    for path in sources(".h", ".cpp"):
        text = path.read_text()
        for header, place in ONLY_IN.items():
            allowed = relative(path).startswith(place + "/") or (relative(path), header) in ONLY_IN_EXCEPTIONS
            if re.search(r"#\s*include\s+" + header, text) and not allowed:
                wrong.append(f"{relative(path)} includes {header}…, which belongs to {place}")
    assert not wrong, "\n".join(wrong)


def test_commands_do_not_include_each_other(world):
    wrong = [relative(path) for path in sources(".cpp", ".h", folders=["agent/commands"])
             if [name for name in re.findall(r'#include "agent/commands/([^"]+)"', path.read_text()) if name != "command.h"]]
    assert not wrong, wrong


def test_public_headers_begin_with_what_they_are_for(world):
    wrong = [relative(path) for path in sources(".h") if not path.read_text().startswith("// ")]
    assert not wrong, wrong


def test_files_and_names_keep_to_the_style(world):
    wrong = []
    for path in sources(".h", ".cpp"):
        lines = path.read_text().splitlines()
        if len(lines) > LINES_MAX:
            wrong.append(f"{relative(path)}: {len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if "\t" in line or line != line.rstrip() or len(line) > COLUMNS_MAX:
                wrong.append(f"{relative(path)}:{number}: tab, trailing space or a very long line")
            if any(re.search(name, line) for name in NAMES):
                wrong.append(f"{relative(path)}:{number}: {line.strip()}")
        if not re.fullmatch(r"[a-z0-9_]+\.(h|cpp)", path.name):
            wrong.append(f"{relative(path)}: a file's name is lower case with underscores")
    assert not wrong, "\n".join(wrong)


def project_files():
    """What belongs to the project; without git's books, what is not built."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", harness.ROOT, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=False)
    if listed.returncode == 0:
        paths = [harness.ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in harness.ROOT.rglob("*") if not {"build", ".git", "node_modules"} & set(path.relative_to(harness.ROOT).parts)]
    return [path for path in paths if path.is_file()]


def test_the_project_speaks_of_itself_alone(world):
    wrong = []
    for path in project_files():
        if relative(path).startswith("tests/data/"):
            continue
        text = path.read_text(errors="replace")
        if path.name == "package-lock.json":
            continue  # npm's own, and it names where each package lies
        for words in FORBIDDEN:
            for found in re.finditer(words, text):
                wrong.append(f"{relative(path)}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}")
    assert not wrong, "\n".join(wrong)


def test_each_file_of_test_data_has_its_origin(world):
    with open(harness.DATA / "ORIGINS.tsv", encoding="utf-8") as table:
        rows = [row for row in csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE) if row and not row[0].startswith("#")]
    assert all(len(row) == 3 and all(row) for row in rows), [row for row in rows if len(row) != 3 or not all(row)]
    named = [row[0] for row in rows if row[0] != "path"]
    present = [str(path.relative_to(harness.DATA)) for path in sorted(harness.DATA.rglob("*")) if path.is_file() and path.name != "ORIGINS.tsv"]
    assert sorted(named) == sorted(present), {"not listed": set(present) - set(named), "not there": set(named) - set(present),
                                              "twice": {name for name in named if named.count(name) > 1}}


def test_every_file_of_tests_runs_its_tests(world):
    """One that does not ends well with nothing done."""
    files = [path for folder in ("functional", "architecture") for path in (harness.ROOT / "tests" / folder).glob("*.py")]
    assert len(files) > 20, files
    assert not (wrong := [relative(path) for path in files if path.read_text().split("\n")[-2].strip() != "harness.main(globals())"]), wrong


def test_every_package_of_the_list_is_a_line(world):
    lines = (harness.ROOT / "config/packaging/debian-packages").read_text().splitlines()
    for line in lines:
        assert re.fullmatch(r"(#.*|\[[a-z]+\]|[a-z0-9.+-]+( [a-z0-9-]+)?|)", line), line


harness.main(globals())
