// A web server of one thread on 127.0.0.1 that says exactly the bytes a test tells it to, wrong ones included.
// Connections are served one after the other; the destructor ends the thread. Nothing here waits without a deadline.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace impound::fetchers {

class Visitor {
 public:
  explicit Visitor(int socket) : socket_(socket) {}
  std::string read_request();                 // to the empty line
  std::string read_bytes(std::size_t count);  // of the body; fewer when the other side has left
  void send(std::string_view bytes);          // stops quietly when the other side has left
  void wait_until_gone();                     // until the other side closes
  std::string path;

 private:
  int socket_;
};

class LocalServer {
 public:
  /// `serve` is called once the head of a request was read, or (First::theirs) at once.
  enum class First { head, theirs };
  explicit LocalServer(std::function<void(Visitor&)> serve, First first = First::head);
  ~LocalServer();
  LocalServer(LocalServer const&) = delete;
  LocalServer& operator=(LocalServer const&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }
  std::vector<std::string> requests();  // heads, as they came

 private:
  void run();
  std::function<void(Visitor&)> serve_;
  First first_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace impound::fetchers
