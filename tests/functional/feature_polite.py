"""watch: only what changed is sent again, and robots.txt is heard where the settings say so."""
import harness


def often(world):
    """The profile of the tests' site with a list that may be looked at each second."""
    profile = world.folder / "often.toml"
    profile.write_text(open(harness.PROFILE, encoding="utf-8").read().replace("interval = 60", "interval = 1"))
    return {"profile": str(profile), "interval": "1s"}


def settings(world, site, **more):
    return world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source(**more)}')


def lists_asked(site):
    return [path for path in site.requests() if "api_scraping" in path]


def captured(world):
    return [entry["body"]["url"].rsplit("=", 1)[1] for entry in world.entries()
            if entry["kind"] == "capture.result" and entry["body"]["outcome"] == "captured"]


def test_a_list_that_did_not_change_is_not_sent_again(world):
    site = world.pastes([{"key": "8sUIsf34", "title": "one", "text": "hello"}])
    (site.folder / "etags").touch()
    world.init()
    running = world.start_impound("watch", "--config", settings(world, site, **often(world)))
    harness.wait_until(lambda: [path for path in lists_asked(site) if path.endswith(" 304")] or not running.running(), 30, "an answer of 304")
    first, second = lists_asked(site)[:2]
    assert not first.endswith(" 304") and second.endswith(" 304"), site.requests()
    site.post("0CeaNm8Y", "news", title="two")
    harness.wait_until(lambda: len(captured(world)) == 2 or not running.running(), 30, "the second paste")
    # An item that could not be had is known by being listed again, so the list is asked for whole from then on.
    site.post("Gone0000", "x", title="three")
    (site.folder / "items" / "Gone0000").unlink()
    harness.wait_until(lambda: [path for path in site.requests() if "Gone0000" in path] or not running.running(), 30, "the look at what is gone")
    asked = len(lists_asked(site))
    harness.wait_until(lambda: len(lists_asked(site)) >= asked + 2 or not running.running(), 30, "two looks more")
    until = len(lists_asked(site))
    site.remove("Gone0000")
    harness.wait_until(lambda: [path for path in lists_asked(site)[until:] if path.endswith(" 304")] or not running.running(), 60, "a look by change again")
    assert running.stop() == 0, running.output()
    assert not [path for path in lists_asked(site)[asked:until] if path.endswith(" 304")], site.requests()
    assert captured(world) == ["8sUIsf34", "0CeaNm8Y"], world.entries()
    assert world.verify()["ok"] is True
    polled = [entry["body"] for entry in world.entries() if entry["kind"] == "source.polled"]
    assert sum(body["failed"] for body in polled) == 0 and sum(body["polls"] for body in polled) == len(lists_asked(site)), polled


def test_robots_txt_is_heard_where_the_settings_say_so(world):
    site = world.pastes([{"key": "Left0000", "title": "not to be looked at", "text": "hello"}, {"key": "8sUIsf34", "title": "one", "text": "hello"}])
    (site.folder / "robots.txt").write_text("User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /api_scrape_item.php?i=Left\n")
    world.init()
    seen = world.impound("watch", "--once", "--config", settings(world, site, robots=True))
    assert captured(world) == ["8sUIsf34"], world.entries()
    assert "left alone" in seen.out + seen.err and "i=Left0000" in seen.out + seen.err, seen
    assert site.requests()[0] == "/robots.txt" and site.requests().count("/robots.txt") == 1, site.requests()
    assert not [path for path in site.requests() if "Left0000" in path], site.requests()
    # By default nobody asks what it says.
    world.impound("watch", "--once", "--config", settings(world, site))
    assert captured(world) == ["8sUIsf34", "Left0000"] and site.requests().count("/robots.txt") == 1, site.requests()


def test_a_robots_txt_that_cannot_be_had_closes_the_place_and_one_that_is_not_there_does_not(world):
    site = world.pastes([{"key": "8sUIsf34", "title": "one", "text": "hello"}])
    (site.folder / "robots.txt").write_text("")
    world.init()
    config = settings(world, site, robots=True)
    world.impound("watch", "--once", "--config", config, code=None)
    assert site.requests() == ["/robots.txt"], site.requests()
    down = [entry["body"] for entry in world.entries() if entry["kind"] == "source.changed"]
    assert [body["state"] for body in down] == ["down"] and "robots.txt" in down[0]["detail"] and "status 500" in down[0]["detail"], down
    (site.folder / "robots.txt").unlink()
    world.impound("watch", "--once", "--config", config)
    assert captured(world) == ["8sUIsf34"], world.entries()


if __name__ == "__main__":
    harness.main(globals())
