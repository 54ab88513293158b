"""fetch: whatever the torrent's kind and wherever the peer comes from, what is sealed is bit for bit what was seeded."""
import base64
import pathlib
import re
import shutil
import signal
import subprocess

import harness
import peers

NAME = "Dépêches 2017"


def dump(world, name=NAME):
    """Several files, nested folders, an empty one, names beyond ASCII; the folder that holds it all."""
    seeded = world.folder / "seeded"
    folder = seeded / name
    harness.write_bytes(folder / "boîte de réception" / "письмо 1.eml", 70_001, "letter")
    harness.write_bytes(folder / "boîte de réception" / "α" / "β" / "deep.eml", 33_333, "deep")
    harness.write_bytes(folder / "photos" / "写真.jpg", 400_000, "picture")
    harness.write_bytes(folder / "photos" / "same.jpg", 400_000, "picture")
    harness.write_bytes(folder / "one byte", 1, "one")
    (folder / "empty.txt").write_bytes(b"")
    return seeded


def check_sealed(world, torrent, seeded):
    """What `show` names is what was seeded, and lies in the vault under that name."""
    shown = world.show(torrent.v1 or torrent.v2)
    assert shown["kind"] == "acquisition" and shown["state"] == "complete", shown
    assert shown["uploaded_payload_bytes"] == 0
    sealed = {bytes.fromhex(file["path_hex"]).decode(): file["sha256"] for file in shown["files"]}
    assert sealed == harness.tree(seeded), (sealed, harness.tree(seeded))
    for file in shown["files"]:
        kept = world.vault / "objects" / file["sha256"][:2] / file["sha256"]
        assert file["sealed"] is True and harness.sha256(kept) == file["sha256"]
        assert kept.stat().st_size == file["size"] and kept.stat().st_mode & 0o777 == 0o400
    for hashes in ("v1", "v2"):
        assert shown.get(f"info_hash_{hashes}") == getattr(torrent, hashes), shown
    assert world.verify()["ok"] is True


def seeded_dump(world, kind, rate=0):
    """dump(), its torrent of this kind, and a seed of it."""
    seeded = dump(world)
    torrent = peers.make_torrent(world, seeded / NAME, kind)
    return seeded, torrent, peers.seeder(world, torrent, seeded, rate=rate)


def from_seeder(world, kind, by):
    seeded, torrent, peer = seeded_dump(world, kind)
    world.init()
    done = world.impound("fetch", torrent.magnet() if by == "magnet" else torrent.path, "--peer", peer.address)
    assert "complete" in done.out, done
    check_sealed(world, torrent, seeded)


def test_v1_by_magnet(world):
    from_seeder(world, "v1", "magnet")


def test_v1_by_torrent_file(world):
    from_seeder(world, "v1", "file")


def test_v2_by_magnet(world):
    from_seeder(world, "v2", "magnet")


def test_v2_by_torrent_file(world):
    from_seeder(world, "v2", "file")


def test_hybrid_by_magnet(world):
    from_seeder(world, "hybrid", "magnet")


def test_hybrid_by_torrent_file(world):
    from_seeder(world, "hybrid", "file")


def test_v1_from_transmission(world):
    seeded = dump(world)
    torrent = peers.make_torrent(world, seeded / NAME, "v1")
    peer = peers.transmission(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    check_sealed(world, torrent, seeded)


def test_v1_from_qbittorrent(world):
    seeded = dump(world)
    torrent = peers.make_torrent(world, seeded / NAME, "v1")
    peer = peers.qbittorrent(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    check_sealed(world, torrent, seeded)


def test_names_that_are_no_text_come_home_with_their_raw_bytes(world):
    """Of a torrent whose names are Latin-1 and worse; the seeder has the files under the names libtorrent gives them."""
    seeded, torrent, contents = peers.torrent_of_raw_names(world, [b"leak"], [
        ([b"d\xe9p\xeaches", b"lettre \xff\xfe.eml"], 40_000), ([b"\xe9tat.txt"], 20_000), ([b"plain.txt"], 1)])
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.path, "--peer", peer.address)
    shown = world.show(torrent.v1)
    sealed = {bytes.fromhex(file["path_hex"]): file["sha256"] for file in shown["files"]}
    assert shown["state"] == "complete" and sealed == contents, (sealed, contents)
    assert world.verify()["ok"] is True


def test_nothing_hides_under_a_name_that_padding_has(world):
    """What is padding is not downloaded: a real file with such a name is taken, or told."""
    seeded, torrent, contents = peers.torrent_of_raw_names(world, [b"leak"], [([b".____padding_file", b"secret.7z"], 163_840), ([b"z.eml"], 20_000)])
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.path, "--peer", peer.address)
    shown = world.show(torrent.v1)
    assert {bytes.fromhex(file["path_hex"]): file["sha256"] for file in shown["files"]} == contents, (shown, contents)
    # BitComet's own name is padding for libtorrent, which takes it for zeros.
    _, torrent, _ = peers.torrent_of_raw_names(world, [b"_____padding_file_x"], [([b"a.eml"], 163_840)])
    world.impound("fetch", torrent.path, "--peer", peer.address, code=1)
    result = world.of_kind("acquisition.result")[-1]["body"]
    assert result["state"] == "failed" and "name of padding" in result["detail"], result
    assert [file["sealed"] for file in world.show(torrent.v1)["files"]] == [False]


def test_a_single_file(world):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "list.7z", 1_000_000, "list")
    torrent = peers.make_torrent(world, file, "v1")
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.path, "--peer", peer.address)
    check_sealed(world, torrent, seeded)


def test_a_magnet_in_base32_and_a_bare_info_hash(world):
    seeded, torrent, peer = seeded_dump(world, "v1")
    world.init()
    world.impound("fetch", "magnet:?xt=urn:btih:" + base64.b32encode(bytes.fromhex(torrent.v1)).decode(), "--peer", peer.address)
    check_sealed(world, torrent, seeded)
    again = world.impound("fetch", torrent.v1.upper(), "--peer", peer.address)
    assert "held already" in again.out + again.err, again


def test_a_magnets_peer_by_its_name(world):
    """Its name has two addresses, of which the table refuses one, and where nobody would answer, too."""
    hosts = world.folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.66 seed.example\n127.0.0.2 seed.example\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    seeded, torrent, peer = seeded_dump(world, "v1")
    port = peer.address.rsplit(":", 1)[1]
    world.init()
    world.impound("fetch", f"{torrent.magnet()}&x.pe=seed.example:{port}", code=1)  # both are loopback
    assert "no peer" in world.of_kind("acquisition.result")[0]["body"]["detail"], world.of_kind("acquisition.result")
    world.impound("fetch", f"{torrent.magnet()}&x.pe=seed.example:{port}", "--allow-net", "127.0.0.2/32")
    check_sealed(world, torrent, seeded)


def two_names_of_one(torrent, peer):
    """A magnet by each info-hash; the seed is the second's own."""
    return [f"magnet:?xt=urn:btih:{torrent.v1}&x.pe=127.0.0.2:{harness.free_port('127.0.0.2')}", f"magnet:?xt=urn:btmh:1220{torrent.v2}&x.pe={peer.address}"]


def test_two_magnets_of_one_hybrid_are_one_acquisition(world):
    """Each names it by another of its info-hashes, which nobody can know before the metadata is there; the seed is the second's own."""
    seeded, torrent, peer = seeded_dump(world, "hybrid")
    world.init()
    done = world.impound("fetch", *two_names_of_one(torrent, peer), "--allow-net", "127.0.0.2/32", seconds=60)
    check_sealed(world, torrent, seeded)
    first, second = world.of_kind("acquisition.attempt")
    assert "info_hash_v2" not in first["body"] and "info_hash_v1" not in second["body"]
    results = {result["of"]: result["body"] for result in world.of_kind("acquisition.result")}
    assert sorted(result["state"] for result in results.values()) == ["complete", "failed"], results
    gone, = [of for of, result in results.items() if result["state"] == "failed"]
    other = (first if gone == second["id"] else second)["id"]
    assert results[gone]["reason"] == "cancelled" and other in results[gone]["detail"], results
    assert other in done.out, done


def test_the_same_two_magnets_again_go_on_with_one_attempt(world):
    seeded, torrent, peer = seeded_dump(world, "hybrid", rate=150_000)
    words = ["fetch", *two_names_of_one(torrent, peer), "--allow-net", "127.0.0.2/32"]
    world.init()
    fetch = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the first bytes")
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    joined, = world.of_kind("acquisition.joined")
    world.impound(*words)
    check_sealed(world, torrent, seeded)
    resumed, = world.of_kind("acquisition.resumed")
    assert resumed["of"] == joined["of"] and "peers" not in resumed["body"], (joined, resumed)
    assert {entry["body"]["origin"]["info_hash_v2"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"} == {torrent.v2}
    assert all(entry["body"].get("info_hash_v2") == torrent.v2 for entry in world.of_kind("acquisition.result") if entry["body"]["state"] == "complete")


def test_the_peers_of_both_are_known_to_the_next_run(world):
    seeded, torrent, peer = seeded_dump(world, "hybrid", rate=150_000)
    site = world.pastes([{"key": "0CeaNm8Y", "text": " ".join(two_names_of_one(torrent, peer))}])
    world.init()
    words = ["watch", "--config", world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n[torrents]\ntimeout = "20s"\n' + site.source())]
    agent = world.start_impound(*words)
    harness.wait_until(world.under_way, 40, "the first bytes")
    harness.wait_until(lambda: "acquisition.joined" in world.kinds(), 10, "that in the log")
    agent.process.kill()
    agent.wait()
    again = world.start_impound(*words)
    harness.wait_until(lambda: any(entry["body"]["state"] == "complete" for entry in world.of_kind("acquisition.result")), 60, "the whole torrent")
    assert again.stop() == 0, again.output()
    check_sealed(world, torrent, seeded)


def test_two_names_of_one_torrent_with_other_files_are_not_both_done(world):
    seeded, torrent, peer = seeded_dump(world, "hybrid")
    magnets = two_names_of_one(torrent, peer)
    world.init()
    done = world.impound("fetch", magnets[0] + "&so=0", magnets[1], "--allow-net", "127.0.0.2/32", code=1)
    assert "with other files of it" in done.out, done


def test_a_cut_sha256_keeps_no_true_torrent_away(world):
    """Anybody can write a magnet with the first 20 bytes of another's v2 info-hash as its v1 info-hash: libtorrent takes them for one."""
    for number, kind in enumerate(("v2", "hybrid")):
        seeded = world.folder / f"seeded-{kind}"
        harness.write_bytes(seeded / kind / "a.eml", 300_000, kind)
        harness.write_bytes(seeded / kind / "b.eml", 30_000, kind + "b")
        torrent = peers.make_torrent(world, seeded / kind, kind)
        peer = peers.seeder(world, torrent, seeded, host=f"127.0.0.{number + 2}")
        if number == 0:
            world.init()
        true = f"magnet:?xt=urn:btih:{torrent.v1}" if torrent.v1 else torrent.path
        world.impound("fetch", f"magnet:?xt=urn:btih:{torrent.v2[:40]}", true, "--peer", peer.address, code=1)
        false, whole = sorted((entry["body"] for entry in world.of_kind("acquisition.result")[-2:]), key=lambda body: body["state"] == "complete")
        assert whole["state"] == "complete" and whole["info_hash_v2"] == torrent.v2, (kind, whole)
        assert false["reason"] == "metadata_refused" and "cut to 20 bytes" in false["detail"], (kind, false)
    assert world.verify()["ok"] is True


def test_no_tracker_is_asked_that_is_not_in_the_log(world):
    seeded, torrent, peer = seeded_dump(world, "v1", rate=150_000)
    port = world.nginx(world.folder, host="127.0.0.6", more="location / { return 200 'd8:intervali1800e5:peers0:e'; }")
    url = f"http://127.0.0.6:{port}/announce"
    world.init()
    words = ["fetch", torrent.magnet() + "".join(f"&tr={url}{i}" for i in range(90)), "--peer", peer.address, "--allow-net", "127.0.0.0/8"]
    world.impound(*words)
    asked = set(re.findall(r"GET /(announce[0-9]+)", (world.folder / f"nginx-{port}" / "access.log").read_text()))
    logged = {tracker.rsplit("/", 1)[1] for tracker in world.of_kind("acquisition.attempt")[0]["body"]["trackers"]}
    assert len(logged) == 50 and asked and asked <= logged, (len(logged), asked - logged)


def test_what_is_held_is_not_taken_twice(world):
    seeded, torrent, peer = seeded_dump(world, "hybrid")
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    before = harness.tree(world.vault / "objects")
    attempts = len(world.of_kind("acquisition.attempt"))
    peer.running.stop()
    for target in (torrent.magnet(), torrent.path, torrent.v1, torrent.v2):
        done = world.impound("fetch", target)
        assert "held already" in done.out + done.err, done
    assert len(world.of_kind("acquisition.attempt")) == attempts == 1
    assert harness.tree(world.vault / "objects") == before
    assert world.verify()["ok"] is True


def test_what_was_erased_by_order_is_not_shown_as_held_and_not_fetched_again(world):
    seeded, torrent, peer = seeded_dump(world, "v1")
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    gone = next(at for at, entry in enumerate(world.entries()) if entry["kind"] == "exhibit.sealed" and entry["body"]["size"] == 70_001)
    erased = subprocess.run([harness.PROGRAM.parent / "tests" / "erase_for_tests", world.vault, "--exhibit", str(gone)], env=world.env,
                            capture_output=True, text=True, check=False)
    assert erased.returncode == 0, erased
    by = next(at for at, entry in enumerate(world.entries()) if entry["kind"] == "exhibit.erased")
    assert {(file["size"], file.get("erased_by")) for file in world.show(torrent.v1)["files"] if file.get("erased")} == {(70_001, by)}
    assert world.impound("show", torrent.v1).out.count(f"ERASED by entry {by}") == 1
    before = len(world.of_kind("acquisition.attempt"))
    told = world.refused(1, "fetch", torrent.magnet(), "--peer", peer.address)
    assert "erased by order" in told.err and "held already" not in told.out + told.err, told
    assert len(world.of_kind("acquisition.attempt")) == before and world.verify()["ok"]


def test_metadata_only_leaves_the_payload(world):
    seeded, torrent, peer = seeded_dump(world, "v1")
    world.init()
    world.impound("fetch", torrent.magnet(), "--metadata-only", "--peer", peer.address)
    roles = [entry["body"]["role"] for entry in world.of_kind("exhibit.sealed")]
    assert "payload" not in roles, roles
    results = world.of_kind("acquisition.result")
    assert len(results) == 1 and results[0]["body"]["downloaded_payload_bytes"] == 0, results
    info = [entry for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] in ("info_dict", "torrent")]
    assert len(info) == 1, roles
    assert world.verify()["ok"] is True
    # It is no hindrance to taking the payload afterwards.
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    check_sealed(world, torrent, seeded)


def test_a_torrent_from_an_url_is_captured_first(world):
    seeded, torrent, peer = seeded_dump(world, "v1")
    served = world.folder / "served"
    served.mkdir()
    shutil.copy(torrent.path, served / "dump.torrent")
    port = world.nginx(served)
    world.init()
    world.impound("fetch", f"http://127.0.0.1:{port}/dump.torrent", "--peer", peer.address, "--allow-net", f"127.0.0.1/32:{port}")
    check_sealed(world, torrent, seeded)
    kinds = world.kinds()
    assert kinds.index("capture.result") < kinds.index("acquisition.attempt"), kinds
    sealed = [entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")]
    assert harness.sha256(torrent.path) in sealed


def test_the_order_of_an_acquisition_in_the_log(world):
    seeded, torrent, peer = seeded_dump(world, "v1")
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address, "--case", "emleaks-2017", "--operator", "A. Noone")
    entries = world.entries()
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "vault.created" and kinds[-1] == "agent.stopped", kinds
    start = kinds.index("acquisition.attempt")
    end = kinds.index("acquisition.result")
    attempt = entries[start]
    assert attempt["case"] == "emleaks-2017" and attempt["by"]["operator"] == "A. Noone", attempt
    assert kinds[start + 1:start + 3] == ["exhibit.sealed", "acquisition.metadata"], kinds
    assert set(kinds[start + 3:end]) == {"exhibit.sealed"} and kinds.count("acquisition.result") == 1, kinds
    for entry in entries[start + 1:end + 1]:
        assert entry["of"] == attempt["id"] and entry["case"] == "emleaks-2017", entry
    result = entries[end]["body"]
    assert result["state"] == "complete" and result["uploaded_payload_bytes"] == 0, result
    sizes = [file.stat().st_size for file in pathlib.Path(seeded).rglob("*") if file.is_file()]
    assert result["files"] == result["files_sealed"] == len(sizes) and result["bytes_sealed"] == sum(sizes), result


harness.main(globals())
