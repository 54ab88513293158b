// What a command and the agent that holds the vault say to each other over STATE/agent.sock.
//
//     command: hello, then one order                    agent: hello; then any number of said, status and out;
//     (a fetch names its targets before it)             then one done or failed, and it closes
//
// Frames are evidence/system/frames; a message has exactly the fields of its kind. Who orders is told by the socket
// (SO_PEERCRED), never by a message: of the person only the operator's text, as --operator gives it, is taken. Pure;
// any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "evidence/system/frames.h"
#include "evidence/values/error.h"
#include "evidence/values/result.h"

namespace impound::agent {

constexpr std::uint64_t control_version = 1;

struct ControlHello {
  std::uint64_t version = control_version;
  std::string command;        // "fetch"; of the agent: "watch"
  std::string operator_name;  // "" for the login's name
  bool json = false;          // events, an object a line
  std::uint64_t columns = 0;  // of the terminal, 0 for none: status lines are made for it
};
struct NoteOrder {
  std::string subject, text;
};
struct CaseOrder {
  std::string act;  // open, close, hold, release or assign
  std::string name, subject, title, authority, why;
};
struct TimestampOrder {};
/// An export that the command has made itself: its entry.
struct ExportOrder {
  std::string format, case_name, sha256;
  std::uint64_t entries = 0, size = 0;
};
/// The same of a working copy.
struct CopyOrder {
  std::string subject, folder;
  std::uint64_t files = 0, bytes = 0;
};
/// A magnet, an info-hash or a URL.
struct TargetText {
  std::string text;
};
/// A .torrent file that the command has read, in pieces.
struct TargetPiece {
  std::string bytes;
  bool last = false;
};
/// After its targets.
struct FetchOrder {
  std::string case_name;
  std::vector<std::string> peers;
  bool metadata_only = false;
  bool yes = false;  // what pages name is acquired unasked
  std::optional<std::uint64_t> timeout_s{};
};
using ControlOrder = std::variant<ControlHello, NoteOrder, CaseOrder, TimestampOrder, ExportOrder, CopyOrder,
                                  TargetText, TargetPiece, FetchOrder>;

/// For people, on stderr.
struct Said {
  std::string text;
};
/// The state right now, as Terminal::status takes it.
struct StatusLines {
  std::vector<std::string> lines;
  std::string plain;
};
/// For stdout, to the byte.
struct Out {
  std::string text;
};
struct DoneOrder {
  std::uint64_t exit = 0;
};
struct FailedOrder {
  Error error;
};
using ControlAnswer = std::variant<ControlHello, Said, StatusLines, Out, DoneOrder, FailedOrder>;

constexpr std::size_t control_text_bytes_max = 64u << 10;
constexpr std::size_t control_piece_bytes_max = 512u << 10;
constexpr std::size_t control_list_max = 1'000;

Frame to_frame(ControlOrder const& order);
Frame to_frame(ControlAnswer const& answer);
/// Code::malformed for everything that is not exactly one of the above, within its bounds.
Result<ControlOrder> control_order_from(Frame const& frame);
Result<ControlAnswer> control_answer_from(Frame const& frame);

}  // namespace impound::agent
