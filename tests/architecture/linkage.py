"""What the programs are made of: the agent has no libtorrent, the worker no key and no log."""
import re
import subprocess

import harness


def said(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout


def symbols(program):
    """Names of everything in the program's own code, demangled; a stripped program would test nothing."""
    names = said("nm", "--demangle", program)
    assert "main" in names, "no symbols"
    return names


def test_the_agent_holds_no_libtorrent(world):
    assert "libtorrent" not in said("readelf", "--dynamic", harness.PROGRAM)
    assert not re.search(r"\blibtorrent::", symbols(harness.PROGRAM))


def test_the_agent_holds_nothing_that_parses_pages(world):
    assert not re.search(r"libxml2|libmagic|libuchardet|libbrotlidec", said("readelf", "--dynamic", harness.PROGRAM))
    names = symbols(harness.PROGRAM)
    for parser in ("PageReading", "HtmlText", "ContentDecoder", "read_json_list"):
        assert f"impound::fetchers::{parser}" not in names, parser


def test_the_reader_holds_no_key_no_log_and_no_vault(world):
    names = symbols(harness.READER)
    for kept in ("CustodyLog", "SigningKey", "impound::evidence::", "impound::Vault", "WarcWriter", "impound::agent::", "HttpClient", "libtorrent"):
        assert kept not in names, kept


def test_the_agent_holds_one_database(world):
    needed = said("readelf", "--dynamic", harness.PROGRAM)
    assert "libsoci_sqlite3" in needed and "libpq" not in needed and "postgresql" not in needed, needed


def test_the_index_knows_nothing_of_the_agents_work(world):
    """Linked with evidence alone, a forbidden call would be an undefined symbol of ours."""
    libraries = [harness.BUILD / "agent/libimpound_index.a", harness.BUILD / "evidence/libimpound_evidence.a",
                 harness.BUILD / "evidence/libimpound_foundation.a"]
    defined = set(re.findall(r" [TtRrVvWwBbDd] (impound::.*)$", said("nm", "--demangle", *libraries), re.M))
    wanted = set(re.findall(r" U (impound::.*)$", said("nm", "--demangle", *libraries), re.M))
    assert defined and not wanted - defined, wanted - defined


def test_the_worker_holds_no_key_no_log_and_no_vault(world):
    names = symbols(harness.WORKER)
    assert "libtorrent" in said("readelf", "--dynamic", harness.WORKER)
    assert not re.search("soci|sqlite|libpq", said("readelf", "--dynamic", harness.WORKER)), "nor an index"
    for kept in ("CustodyLog", "SigningKey", "impound::evidence::", "impound::Vault", "WarcWriter", "impound::agent::"):
        assert kept not in names, kept


def test_the_evidence_library_knows_nothing_above_it(world):
    """Linked whole and alone, a forbidden call would be an undefined symbol of ours."""
    build = harness.BUILD / "evidence"
    library = build / "libimpound_evidence.a"
    floor = build / "libimpound_foundation.a"
    defined = set(re.findall(r" [TtRrVvWwBbDd] (impound::.*)$", said("nm", "--demangle", library, floor), re.M))
    wanted = set(re.findall(r" U (impound::.*)$", said("nm", "--demangle", library, floor), re.M))
    assert defined and not wanted - defined, wanted - defined


harness.main(globals())
