#include "agent/service/control_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

using namespace impound;
using namespace impound::agent;

TEST_CASE("who is refused hears why, though the agent hangs up before the greeting") {
  std::string folder = std::filesystem::temp_directory_path() / "impound-control-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  std::string const path = folder + "/agent.sock";
  Descriptor const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  REQUIRE(::bind(listener.number(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.number(), 16) == 0);
  std::thread agent{[&] {
    while (true) {
      Descriptor made{::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!made) return;
      FrameLine line{std::move(made), frame_bytes_max};
      (void)line.send(to_frame(ControlAnswer{FailedOrder{Error{Code::refused, "no stranger", {}, {}}}}));
    }
  }};
  Error const held{Code::held, "held", {}, {}};
  ControlHello hello;
  hello.command = "fetch";
  std::size_t unheard = 0;
  for (int tries = 0; tries < 2000; ++tries) {
    auto const reached = ControlClient::reach({folder}, hello, held);
    if (reached || reached.error().what != "no stranger") ++unheard;
  }
  ::shutdown(listener.number(), SHUT_RDWR);
  agent.join();
  std::filesystem::remove_all(folder);
  CHECK(unheard == 0);
}
