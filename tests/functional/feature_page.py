"""A page by hand: captured, its references shown, and what it names acquired when somebody says so."""
import os
import pty
import subprocess
import urllib.parse

import harness
import peers


class Leak:
    """Two torrents with a seed each, and a page on nginx that names one by its .torrent's relative link and one by a magnet."""

    def __init__(self, world):
        self.trees, self.torrents = {}, []
        web = world.folder / "web"
        (web / "files").mkdir(parents=True)
        for name in ("mails", "photos"):
            seeded = world.folder / f"seeded-{name}"
            harness.write_bytes(seeded / name / "1.bin", 100_000, name)
            torrent = peers.make_torrent(world, seeded / name, "v1")
            peer = peers.seeder(world, torrent, seeded)
            self.torrents.append((torrent, peer))
            self.trees.update(harness.tree(seeded))
        (mails, mails_peer), (photos, photos_peer) = self.torrents
        (web / "files" / "mails.torrent").write_bytes(mails.path.read_bytes())
        magnet = f"{photos.magnet()}&x.pe={urllib.parse.quote(photos_peer.address)}"
        (web / "page.html").write_text(
            f'<html><body><p>Part <a href="files/mails.torrent">one</a> and <a href="{magnet.replace("&", "&amp;")}">two</a></p></body></html>')
        (web / "empty.html").write_text("<html><body>nothing here</body></html>")
        (web / "broken.html").write_text('<a href="files/none.torrent">gone</a>')
        self.url = f"http://127.0.0.1:{world.nginx(web, more='types { text/html html; }')}/"
        self.mails, self.mails_peer, self.photos = mails, mails_peer, photos


def fetch(world, *words, **more):
    return world.impound("fetch", *words, "--allow-net", "127.0.0.0/8", **more)


def test_a_page_is_captured_and_what_it_names_acquired(world):
    leak = Leak(world)
    world.init()
    done = fetch(world, leak.url + "page.html", "--yes", "--peer", leak.mails_peer.address, "--case", "emleaks")
    assert done.out.count("complete  ") == 2 and "references  magnet" in done.err and "references  torrent_url" in done.err, done
    assert world.verify()["ok"] is True
    for torrent in (leak.mails, leak.photos):
        shown = world.show(torrent.v1)
        assert shown["state"] == "complete" and all(file["sha256"] in leak.trees.values() for file in shown["files"]), shown
    captures = world.of_kind("capture.result")
    assert [one["body"]["kept"] for one in captures] == [True, True], captures
    page, link = captures
    found, = world.of_kind("reference.found")
    assert found["cause"] == page["id"] and found["body"]["counts"] == {"magnet": 1, "torrent_url": 1} and link["cause"] == found["id"], found
    attempts = {one["body"]["info_hash_v1"]: one for one in world.of_kind("acquisition.attempt")}
    assert attempts[leak.photos.v1]["cause"] == found["id"] and attempts[leak.mails.v1]["cause"] == link["id"], attempts
    assert all(one["case"] == "emleaks" and one["by"]["uid"] == os.geteuid() for one in attempts.values()), attempts


def test_without_a_yes_the_page_is_captured_and_nothing_acquired(world):
    leak = Leak(world)
    world.init()
    done = fetch(world, leak.url + "page.html", code=1)
    assert "names 2 torrent(s), and none was acquired" in done.err and "--yes" in done.err, done
    assert len(world.of_kind("capture.result")) == len(world.of_kind("reference.found")) == 1 and not world.of_kind("acquisition.attempt")
    assert "names nothing to acquire" in fetch(world, leak.url + "empty.html", code=1).err
    gone = fetch(world, leak.url + "broken.html", "--yes", code=1)
    assert "status 404" in gone.err, gone
    assert "status 404" in fetch(world, leak.url + "nothing.html", "--yes", code=1).err
    assert world.verify()["ok"] is True


def test_the_settings_say_yes_for_their_own_site(world):
    leak = Leak(world)
    world.init()
    for acquire, code in (("none", 1), ("all", 0)):
        config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n[[source]]\nname = "site"\nprofile = "pastebin"\nbase_url = "{leak.url}"\nacquire = "{acquire}"\n')
        done = world.impound("fetch", leak.url + "page.html", "--config", config, "--peer", leak.mails_peer.address, code=code)
        assert done.out.count("complete  ") == (2 if code == 0 else 0), done


def test_at_a_terminal_the_person_is_asked(world):
    leak = Leak(world)
    world.init()
    for answer, complete in (("n\n", 0), ("y\n", 2)):
        ours, theirs = pty.openpty()
        words = [harness.PROGRAM, "fetch", leak.url + "page.html", "--allow-net", "127.0.0.0/8", "--peer", leak.mails_peer.address]
        running = subprocess.Popen([str(word) for word in words], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=world.env)
        os.close(theirs)
        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(ours, 1000).decode(errors="replace")
        os.write(ours, answer.encode())
        out = running.stdout.read().decode()  # what goes to the terminal meanwhile fits in its buffer
        assert running.wait(60) == (0 if complete else 1), (shown, out)
        assert out.count("complete  ") == complete, out
        os.close(ours)


def test_a_page_for_the_holder_of_the_vault(world):
    leak = Leak(world)
    world.init()
    site = world.pastes([{"key": "8sUIsf34", "title": "hello world", "text": "nothing in it"}])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source()}')
    running = world.start_impound("watch", "--config", config, name="watch")
    harness.wait_until(lambda: world.vault.exists() and world.kinds().count("agent.started") == 1, 30, "the watch")
    refused = world.impound("fetch", leak.url + "page.html", code=1)
    assert "none was acquired" in refused.err, refused
    done = world.impound("fetch", leak.url + "page.html", "--yes", "--peer", leak.mails_peer.address)
    assert done.out.count("complete  ") == 2, done
    assert running.stop() == 0, running.output()
    assert world.verify()["ok"] is True


if __name__ == "__main__":
    harness.main(globals())
