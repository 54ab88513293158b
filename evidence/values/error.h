// How things fail: one value that an operator can act on.
//
// Hostile input and a failing environment are told by Error; a bug of our own is told by must() (must.h).
// `what` names the thing and what is wrong with it, `where` the place (a path, a URL, an entry), `hint` the next step.
#pragma once

#include <string>

namespace impound {

enum class Code {
  usage,        // the command line, a target or the settings are wrong: exit 2
  malformed,    // foreign bytes that are not what they claim to be
  refused,      // understood, and not allowed (a limit, the address policy, a promise)
  not_found,    // a file, an entry, an exhibit that is not there
  exists,       // a name that must be new is taken
  unreachable,  // a host that does not answer
  timeout,      // a deadline passed
  held,         // another process holds the vault: exit 3
  no_space,     // ENOSPC, EDQUOT
  read_only,    // EROFS, EACCES, EPERM
  io,           // any other failure of the machine
  damaged,      // what lies in the vault is not what was written
  rolled_back,  // the vault is behind the last checkpoint that STATE remembers
  cancelled,    // a person or a signal stopped it
};

struct Error {
  Code code = Code::io;
  std::string what;
  std::string where;
  std::string hint;
};

/// `code` as the word that logs and --json use, e.g. "no_space".
char const* word(Code code);

/// One line for a log: "what: where. hint", parts that are empty left out.
std::string line(Error const& error);

/// The Error for an errno of a system call: maps ENOSPC, EROFS, ENOENT, EEXIST and their kin to their codes.
Error from_errno(int number, std::string what, std::string where);

}  // namespace impound
