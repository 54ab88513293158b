#include "agent/work/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "evidence/values/must.h"

namespace impound::agent {

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  must(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGIO, SIG_IGN);
  descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  must(descriptor_ >= 0);
}

Interrupt::~Interrupt() { ::close(descriptor_); }

bool Interrupt::asked() {
  // The signal stays unread, so that everything that polls the descriptor sees it, too.
  pollfd waiting{descriptor_, POLLIN, 0};
  if (!asked_) asked_ = ::poll(&waiting, 1, 0) == 1;
  return asked_;
}

}  // namespace impound::agent
