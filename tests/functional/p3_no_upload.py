# ctest: TIMEOUT 400
"""P3: nothing is handed on, whoever asks and however patiently."""
import harness
import peers

DOWNLOAD_SECONDS = 20 if harness.ALL else 6
BYTES = 8 << 20


def leak(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "list.csv", BYTES, "list")
    return seeded, seeded / "leak"


def fetch_past_a_leecher(world, kind):
    """A rate-limited seed stretches the download; a leecher that we dial wants what we have by then."""
    seeded, folder = leak(world)
    torrent = peers.make_torrent(world, folder, kind, piece_size=64 << 10)
    seed = peers.seeder(world, torrent, seeded, rate=BYTES // DOWNLOAD_SECONDS)
    leecher = peers.leecher(world, torrent)
    world.init()
    world.impound("fetch", torrent.path, "--peer", seed.address, "--peer", leecher.address, seconds=DOWNLOAD_SECONDS * 4 + 60)
    shown = world.show(torrent.v1 or torrent.v2)
    assert shown["state"] == "complete" and shown["uploaded_payload_bytes"] == 0, shown
    result = world.of_kind("acquisition.result")[0]["body"]
    assert result["uploaded_payload_bytes"] == 0, result
    assert "incident.raised" not in world.kinds()
    leecher.running.stop()
    counts = leecher.counts()
    assert counts["connections"] > 0, counts  # else the test would have tested nothing
    assert counts["received"] == 0, counts
    assert world.verify()["ok"] is True


def test_a_hungry_leecher_gets_nothing_of_a_v1_torrent(world):
    fetch_past_a_leecher(world, "v1")


def test_a_hungry_leecher_gets_nothing_of_a_hybrid_torrent(world):
    fetch_past_a_leecher(world, "hybrid")


harness.main(globals())
