// The exit codes that scripts rely on; every --help lists them.
#pragma once

#include "evidence/values/error.h"

namespace impound::agent {

enum class ExitCode {
  done = 0,           // done, or held already
  failed = 1,         // understood, but failed: unreachable, partial, not verified, not writable, disk full
  usage = 2,          // wrong usage, target or settings; judged before the vault is opened
  held = 3,           // another process holds the vault
  interrupted = 130,  // `fetch` interrupted, state kept
};

inline ExitCode exit_code_of(Error const& error) {
  switch (error.code) {
    case Code::usage: return ExitCode::usage;
    case Code::held: return ExitCode::held;
    case Code::cancelled: return ExitCode::interrupted;
    default: return ExitCode::failed;
  }
}

/// The worse of two outcomes of a command with several targets.
inline ExitCode worse(ExitCode a, ExitCode b) { return static_cast<int>(a) > static_cast<int>(b) ? a : b; }

}  // namespace impound::agent
