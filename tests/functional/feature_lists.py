"""watch: sources whose lists are feeds or pages."""
import http.server
import threading

import harness

FEED = """<?xml version="1.0" encoding="windows-1251"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>new</title>
<item><title>\u043f\u043e\u0447\u0442\u0430 &amp; photos</title><link>http://192.0.2.1/view/feed2</link><dc:creator>EMLEAKS</dc:creator><pubDate>Fri, 05 May 2017 20:59:12 +0200</pubDate></item>
<item><title>older</title><link>http://192.0.2.1/view/feed1</link></item>
<item><title>no paste</title><link>http://192.0.2.1/about</link></item>
</channel></rss>
"""
PAGE = """<!DOCTYPE html><meta charset=utf-8><title>recent</title>
<ul><li><a href="/view/page1">first</a> by <i>anna</i><li><a href="/about">about</a><li><a href="/view/page2">second</a></ul>
"""
OF_FEED = """name = "feed"
pace = 0
[list]
path = "feed"
format = "xml"
items = "/rss/channel/item"
key = "link"
key_part = "/view/([a-z0-9]+)$"
title = "title"
author = "dc:creator"
time = "pubDate"
[item]
path = "raw/{key}"
key = "[a-z0-9]+"
"""
OF_PAGE = """name = "page"
pace = 0
[list]
path = "recent"
format = "html"
items = "//li[a[starts-with(@href, '/view/')]]"
key = "a/@href"
key_part = "^/view/([a-z0-9]+)$"
title = "a"
author = "i"
[item]
path = "raw/{key}"
key = "[a-z0-9]+"
"""


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, body = {"/feed": ("application/rss+xml", FEED.encode("windows-1251")), "/recent": ("text/html", PAGE.encode())}.get(
            self.path, ("text/plain", b"a paste: " + self.path.encode()))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def source(world, name, profile, url):
    path = world.folder / f"{name}.toml"
    path.write_text(profile, encoding="utf-8")
    return f'[[source]]\nname = "{name}"\nprofile = "{path}"\nbase_url = "{url}"\nkeep = "all"\n'


def test_feeds_and_pages_are_lists(world):
    url = serve()
    world.init()
    config = world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n' + source(world, "feed", OF_FEED, url) + source(world, "page", OF_PAGE, url))
    told = world.impound("watch", "--once", "--config", config)
    results = {entry["body"]["url"].rsplit("/", 1)[1]: entry["body"] for entry in world.of_kind("capture.result")}
    assert sorted(results) == ["feed1", "feed2", "page1", "page2"], results
    assert all(body["outcome"] == "captured" for body in results.values()), results
    feed = results["feed2"]
    assert feed["title"] == "\u043f\u043e\u0447\u0442\u0430 & photos" and feed["author"] == "EMLEAKS", feed
    assert feed["published_utc"] == "2017-05-05T18:59:12.000000Z", feed
    assert results["page1"]["title"] == "first" and results["page1"]["author"] == "anna" and "author" not in results["page2"], results
    assert "1 unreadable item(s)" in told.err and "no key of this site" in told.err, told
    assert world.verify()["ok"] is True
    again = world.impound("watch", "--once", "--config", config)
    assert len(world.of_kind("capture.attempt")) == 4, again


def test_a_list_that_is_none_is_told_with_its_reason(world):
    url = serve()
    world.init()
    wrong = OF_PAGE.replace("//li[a[starts-with", "//li[[a[starts-with")
    config = world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n' + source(world, "page", wrong, url) +
                            source(world, "feed", OF_FEED.replace('"feed"\nformat', '"raw/x"\nformat'), url))
    world.impound("watch", "--once", "--config", config, code=1)
    down = {entry["body"]["source"]: entry["body"]["detail"] for entry in world.of_kind("source.changed")}
    assert "list.items is no XPath expression" in down["page"] and "it is no XML" in down["feed"], down


harness.main(globals())
