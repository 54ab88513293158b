"""The swarm record: a result names it, `show` prints it, and it goes on with its acquisition."""
import signal
import subprocess

import harness
import peers


def records(world):
    return [entry for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "swarm_record"]


def items(world, name):
    return world.impound("show", name, "--json").json_lines()


def of_kind(found, kind):
    return [item for item in found if item["t"] == kind]


def check_schema(world):
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config" / "schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked


def test_a_fetch_names_its_swarm_record_and_show_prints_it(world):
    seeded = world.folder / "seeded"
    torrent = peers.make_torrent(world, harness.write_bytes(seeded / "leak", 500_000, "leak"), "v1")
    peer = peers.seeder(world, torrent, seeded)
    url = peers.tracker(world, peer)
    world.init()
    world.impound("fetch", f"{torrent.magnet()}&tr={url}", "--peer", peer.address, "--allow-net", "127.0.0.0/8")
    exhibit, = records(world)
    result, = world.of_kind("acquisition.result")
    body = exhibit["body"]
    assert result["body"]["swarm_record"] == exhibit["id"] and "detail" not in result["body"], result
    assert body["media_type"] == "application/vnd.impound.swarm-record+cbor-seq" and exhibit["of"] == result["of"], exhibit
    assert body["origin"] == {"type": "torrent", "info_hash_v1": torrent.v1}, exhibit
    assert world.show(torrent.v1)["swarm_record"] == exhibit["id"]
    assert world.kinds().index("acquisition.result") > world.entries().index(exhibit), "sealed before the result that names it"

    found = items(world, exhibit["id"])
    assert found == items(world, body["sha256"]) and found[0]["t"] == "head" and found[-1]["t"] == "left_out", found
    assert found[0]["info_hash_v1"] == torrent.v1 and found[0]["engine"].startswith("libtorrent "), found[0]
    table, = of_kind(found, "table")
    assert table["bytes"] == 500_000 and table["absent_blocks"] == table["unknown_blocks"] == 0, table
    senders, = of_kind(found, "senders")
    assert senders["rows"] == [{"number": 2, "peer": peer.address, "blocks": 31, "bytes": 500_000}], senders
    blocks, = of_kind(found, "blocks")
    assert blocks["runs"] == [2, 31] and blocks["first"] == 0, blocks
    reached = [item for item in of_kind(found, "peer") if "connected" in item]
    assert reached[-1]["address"] == peer.address and reached[-1]["sources"][0] == "operator" and reached[-1]["bytes"] == 500_000, reached
    asked = of_kind(found, "tracker")
    assert asked and asked[0]["url"] == url and asked[0]["peers"] == 1, asked

    text = world.impound("show", exhibit["id"]).out
    assert f"from          {peer.address}  31 block(s), 500000 bytes" in text, text
    assert "31 of 16 KiB: 31 from 1 sender(s), 0 from nobody known, 0 not there" in text and url in text, text
    assert text == world.impound("show", body["sha256"]).out
    assert world.verify()["ok"] is True
    check_schema(world)


def test_an_acquisition_that_ends_in_vain_has_a_record_of_whom_it_asked(world):
    harness.need_module("libtorrent")
    closed = f"http://127.0.0.1:{harness.free_port('127.0.0.1')}/announce"
    world.init()
    settings = world.settings('[torrents]\nmetadata_timeout = "4s"\n')
    world.refused(1, "fetch", f"magnet:?xt=urn:btih:{'ab' * 20}&tr={closed}", "--allow-net", "127.0.0.0/8", "--config", settings)
    exhibit, = records(world)
    result, = world.of_kind("acquisition.result")
    assert result["body"]["swarm_record"] == exhibit["id"] and result["body"]["state"] == "failed", result
    found = items(world, exhibit["id"])
    assert "refused" in of_kind(found, "tracker")[0]["error"].lower() and not of_kind(found, "table"), found
    assert closed in world.impound("show", exhibit["id"]).out
    assert world.verify()["ok"] is True


def test_what_trackers_count_stands_in_the_record(world):
    # Of a tracker at a loopback address libtorrent asks for announces alone, over HTTP.
    subprocess.run(["ip", "address", "add", "203.0.113.7/32", "dev", "lo"], check=True)
    seeded = world.folder / "seeded"
    torrent = peers.make_torrent(world, harness.write_bytes(seeded / "leak", 300_000, "leak"), "v1")
    peer = peers.seeder(world, torrent, seeded, rate=150_000)
    by_http = peers.start(world, "tracker", "203.0.113.7", "--peer", peer.address, "--scrape", "5:6:7")
    by_udp = peers.start(world, "udp_tracker", "127.0.0.6", "--peer", peer.address, "--scrape", "8:9:10")
    urls = [f"http://{by_http.address}/announce", f"udp://{by_udp.address}"]
    world.init()
    world.impound("fetch", torrent.magnet() + "".join(f"&tr={url}" for url in urls), "--allow-net", "127.0.0.0/8", "--allow-net", "203.0.113.0/24")
    exhibit, = records(world)
    found = items(world, exhibit["id"])
    counts = {item["url"]: (item.get("complete"), item.get("incomplete"), item.get("downloaded")) for item in of_kind(found, "scrape")}
    assert counts == {urls[0]: (5, 6, 7), urls[1]: (8, 9, 10)}, found
    assert len(of_kind(found, "scrape")) == 2, "asked once"
    assert {item["url"] for item in of_kind(found, "tracker") if item.get("peers") == 1} == set(urls), found
    assert f"{urls[0]}: 5 complete, 6 incomplete, 7 downloaded" in world.impound("show", exhibit["id"]).out


def test_a_record_goes_on_when_the_agent_was_interrupted(world):
    seeded = world.folder / "seeded"
    torrent = peers.make_torrent(world, harness.write_bytes(seeded / "leak", 600_000, "leak"), "v1", piece_size=16 << 10)
    before = peers.seeder(world, torrent, seeded, rate=150_000)
    world.init()
    fetch = world.start_impound("fetch", torrent.magnet(), "--peer", before.address)
    harness.wait_until(world.under_way, 30, "the download")
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    assert not records(world), "open, so not told yet"
    after = peers.seeder(world, torrent, seeded, host="127.0.0.3")
    world.impound("fetch", torrent.magnet(), "--peer", after.address)
    exhibit, = records(world)
    found = items(world, exhibit["id"])
    assert len(of_kind(found, "head")) == 2 and of_kind(found, "table")[0]["unknown_blocks"] == 0, found
    told = {item["address"] for item in of_kind(found, "peer") if "connected" in item}
    assert told >= {before.address, after.address}, told
    assert sum(row["bytes"] for row in of_kind(found, "senders")[0]["rows"]) == 600_000, found


harness.main(globals())
