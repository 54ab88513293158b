// SIGINT and SIGTERM as a descriptor that poll() can wait for.
//
// Made first thing in main, before any thread: the signals are blocked in all of them and read from a signalfd. SIGPIPE
// and SIGIO are ignored: the latter's default action would end the agent when somebody opens a leased file for writing.
#pragma once

#include <atomic>

namespace impound::agent {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(Interrupt const&) = delete;
  Interrupt& operator=(Interrupt const&) = delete;
  /// Readable as soon as a signal has come. Never read it: asked() does.
  int descriptor() const { return descriptor_; }
  /// True from the first signal on. Any thread.
  bool asked();

 private:
  int descriptor_ = -1;
  std::atomic<bool> asked_ = false;
};

}  // namespace impound::agent
