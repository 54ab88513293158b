"""What was tried stands in the result: trackers with what came of them, peers that were known, reached and lost."""
import harness
import peers


def test_a_failure_says_whom_it_asked(world):
    harness.need_module("libtorrent")
    closed = f"http://127.0.0.1:{harness.free_port('127.0.0.1')}/announce"
    world.init()
    settings = world.settings('[torrents]\nmetadata_timeout = "4s"\n')
    world.refused(1, "fetch", f"magnet:?xt=urn:btih:{'ab' * 20}&tr={closed}", "--allow-net", "127.0.0.0/8", "--config", settings)
    result, = world.of_kind("acquisition.result")
    assert result["body"]["reason"] == "no_metadata", result
    tried = result["body"]["tried"]
    tracker, = tried["trackers"]
    assert tracker["url"] == closed and tracker["failures"] >= 1 and tracker["answers"] == tracker["peers"] == 0, tried
    assert "refused" in tracker["last"].lower(), tried
    assert tried["dht"] == "off" and tried["peers_known"] == tried["peers_reached"] == 0, tried
    assert world.verify()["ok"] is True


def test_a_result_that_is_complete_says_who_answered(world):
    seeded = world.folder / "seeded"
    torrent = peers.make_torrent(world, harness.write_bytes(seeded / "leak", 50_000, "leak"), "v1")
    url = peers.tracker(world, peers.seeder(world, torrent, seeded))
    world.init()
    world.impound("fetch", f"{torrent.magnet()}&tr={url}", "--allow-net", "127.0.0.0/8")
    tried = world.of_kind("acquisition.result")[0]["body"]["tried"]
    assert tried["trackers"][0]["answers"] >= 1 and tried["trackers"][0]["peers"] == 1 and tried["peers_reached"] >= 1, tried
    # On a busy machine the end of the job may cut an announce off, which is then the last thing said of the tracker.
    assert tried["trackers"][0]["last"] == "answered" or tried["trackers"][0]["failures"] > 0, tried


harness.main(globals())
