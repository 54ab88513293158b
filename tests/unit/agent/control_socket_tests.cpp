#include "agent/service/control_socket.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

using namespace impound;
using namespace impound::agent;

namespace {

struct Place {
  std::string folder = std::filesystem::temp_directory_path() / "impound-control-XXXXXX";
  std::unique_ptr<ControlSocket> socket;
  Place() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    auto made = ControlSocket::listen(folder, "watch", -1);
    REQUIRE(made);
    socket = std::move(made).value();
  }
  ~Place() {
    socket.reset();
    std::filesystem::remove_all(folder);
  }
  /// A command that connects and says these bytes; it may find no room for all of them.
  Descriptor command(std::string const& bytes) const {
    std::string const path = folder + "/" + control_socket_name;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    Descriptor made{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(made.number(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    (void)::send(made.number(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return made;
  }
  /// Whether the socket says within a second that there is something to hear.
  bool wakes() const {
    pollfd one{socket->descriptor(), POLLIN, 0};
    return ::poll(&one, 1, 1'000) == 1;
  }
};

std::string said(ControlOrder const& order) { return encode_frame(to_frame(order)).value(); }

std::string greeting() {
  ControlHello hello;
  hello.command = "fetch";
  return said(hello);
}

}  // namespace

TEST_CASE("orders that come faster than they are heard are all heard, in order, though the other end is gone") {
  bool gone = false;
  SUBCASE("it waits") {}
  SUBCASE("it is gone") { gone = true; }
  Place place;
  Descriptor command = place.command(greeting());
  CHECK(place.socket->hear().empty());
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += said(TargetText{std::to_string(i)});
  bytes += said(FetchOrder{});
  REQUIRE(::send(command.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  if (gone) command = Descriptor{};
  int texts = 0;
  bool fetch = false;
  for (int turn = 0; turn < 20 && !fetch; ++turn) {
    // What is left of an earlier hearing wakes as what comes anew does: else it lay there until something else happens.
    REQUIRE(place.wakes());
    auto const heard = place.socket->hear();
    CHECK(heard.size() <= 64);
    for (auto const& one : heard) {
      if (auto const* const text = std::get_if<TargetText>(&one.order)) {
        CHECK(text->text == std::to_string(texts));
        ++texts;
      }
      fetch = fetch || std::holds_alternative<FetchOrder>(one.order);
    }
  }
  CHECK(texts == 300);
  CHECK(fetch);
}

TEST_CASE("who connects is heard at once, and its line closed after the last answer") {
  Place place;
  Descriptor const first = place.command(greeting() + said(NoteOrder{"x", "y"}));
  auto const heard = place.socket->hear();
  REQUIRE(heard.size() == 1);
  CHECK(std::holds_alternative<NoteOrder>(heard.front().order));
  CHECK(heard.front().peer.uid == ::geteuid());
  place.socket->end(heard.front().connection, DoneOrder{0});
  (void)place.socket->hear();
  CHECK_FALSE(place.socket->there(heard.front().connection));
}
