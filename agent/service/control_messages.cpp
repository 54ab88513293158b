#include "agent/service/control_messages.h"

#include <utility>

namespace impound::agent {

namespace {

Error malformed(std::string const& what) {
  return Error{Code::malformed, "a message of the agent's socket is malformed: " + what, {}, {}};
}

/// Walks the fields of a message the same way there and back: what one direction writes, the other reads.
class Writer {
 public:
  explicit Writer(char const* type) : frame_{{"t", type}} {}
  void text(char const* key, std::string const& value) { frame_[key] = bytes_value(value); }
  void number(char const* key, std::uint64_t const& value) { frame_[key] = value; }
  void flag(char const* key, bool const& value) { frame_[key] = value; }
  void number_if(char const* key, std::optional<std::uint64_t> const& value) {
    if (value) frame_[key] = *value;
  }
  void texts(char const* key, std::vector<std::string> const& values) {
    Frame list = Frame::array();
    for (std::string const& value : values) list.push_back(bytes_value(value));
    frame_[key] = std::move(list);
  }
  void piece(char const* key, std::string const& value) { text(key, value); }
  Frame take() { return std::move(frame_); }

 private:
  Frame frame_;
};

class Reader {
 public:
  explicit Reader(Frame const& frame) : frame_(frame) {}
  void text(char const* key, std::string& value) { take(key, value, control_text_bytes_max); }
  void piece(char const* key, std::string& value) { take(key, value, control_piece_bytes_max); }
  void number(char const* key, std::uint64_t& value) {
    ++fields_;
    if (auto read = frame_number(frame_, key); read)
      value = read.value();
    else
      note(read.error());
  }
  void number_if(char const* key, std::optional<std::uint64_t>& value) {
    if (!frame_.contains(key)) return;
    std::uint64_t read = 0;
    number(key, read);
    value = read;
  }
  void flag(char const* key, bool& value) {
    ++fields_;
    if (auto read = frame_flag(frame_, key); read)
      value = read.value();
    else
      note(read.error());
  }
  void texts(char const* key, std::vector<std::string>& values) {
    ++fields_;
    auto const list = frame_.find(key);
    if (list == frame_.end() || !list->is_array() || list->size() > control_list_max) return note(malformed(key));
    for (auto const& one : *list) {
      if (!one.is_binary() || one.get_binary().size() > control_text_bytes_max) return note(malformed(key));
      values.emplace_back(one.get_binary().begin(), one.get_binary().end());
    }
  }
  /// No field is left over, and each was what it should be.
  Result<void> end() {
    if (!wrong_ && frame_.size() != fields_ + 1) note(malformed("a field too many"));
    if (wrong_) return *wrong_;
    return ok();
  }

 private:
  void take(char const* key, std::string& value, std::size_t bytes_max) {
    ++fields_;
    auto read = frame_bytes(frame_, key);
    if (!read) return note(read.error());
    if (read.value().size() > bytes_max) return note(malformed(std::string(key) + " is too long"));
    value = std::move(read).value();
  }
  void note(Error error) {
    if (!wrong_) wrong_ = std::move(error);
  }

  Frame const& frame_;
  std::size_t fields_ = 0;
  std::optional<Error> wrong_;
};

// One description of each message, for both directions.

template <class F, class M>
void fields(F& f, ControlHello, M& m) {
  f.number("version", m.version);
  f.text("command", m.command);
  f.text("operator", m.operator_name);
  f.flag("json", m.json);
  f.number("columns", m.columns);
}
template <class F, class M>
void fields(F& f, NoteOrder, M& m) {
  f.text("subject", m.subject);
  f.text("text", m.text);
}
template <class F, class M>
void fields(F& f, CaseOrder, M& m) {
  f.text("act", m.act);
  f.text("name", m.name);
  f.text("subject", m.subject);
  f.text("title", m.title);
  f.text("authority", m.authority);
  f.text("why", m.why);
}
template <class F, class M>
void fields(F&, TimestampOrder, M&) {}
template <class F, class M>
void fields(F& f, ExportOrder, M& m) {
  f.text("format", m.format);
  f.text("case", m.case_name);
  f.text("sha256", m.sha256);
  f.number("entries", m.entries);
  f.number("size", m.size);
}
template <class F, class M>
void fields(F& f, CopyOrder, M& m) {
  f.text("subject", m.subject);
  f.text("folder", m.folder);
  f.number("files", m.files);
  f.number("bytes", m.bytes);
}
template <class F, class M>
void fields(F& f, TargetText, M& m) {
  f.text("text", m.text);
}
template <class F, class M>
void fields(F& f, TargetPiece, M& m) {
  f.piece("bytes", m.bytes);
  f.flag("last", m.last);
}
template <class F, class M>
void fields(F& f, FetchOrder, M& m) {
  f.text("case", m.case_name);
  f.texts("peers", m.peers);
  f.flag("metadata_only", m.metadata_only);
  f.flag("yes", m.yes);
  f.number_if("timeout_s", m.timeout_s);
}
template <class F, class M>
void fields(F& f, Said, M& m) {
  f.text("text", m.text);
}
template <class F, class M>
void fields(F& f, StatusLines, M& m) {
  f.texts("lines", m.lines);
  f.text("plain", m.plain);
}
template <class F, class M>
void fields(F& f, Out, M& m) {
  f.piece("text", m.text);
}
template <class F, class M>
void fields(F& f, DoneOrder, M& m) {
  f.number("exit", m.exit);
}
template <class F>
void fields(F& f, FailedOrder, FailedOrder const& m) {
  f.number("code", static_cast<std::uint64_t>(m.error.code));
  f.text("what", m.error.what);
  f.text("where", m.error.where);
  f.text("hint", m.error.hint);
}
template <class F>
void fields(F& f, FailedOrder, FailedOrder& m) {
  std::uint64_t code = 0;
  f.number("code", code);
  m.error.code = code <= static_cast<std::uint64_t>(Code::cancelled) ? static_cast<Code>(code) : Code::io;
  f.text("what", m.error.what);
  f.text("where", m.error.where);
  f.text("hint", m.error.hint);
}

constexpr char const* word_of(ControlHello const&) { return "hello"; }
constexpr char const* word_of(NoteOrder const&) { return "note"; }
constexpr char const* word_of(CaseOrder const&) { return "case"; }
constexpr char const* word_of(TimestampOrder const&) { return "timestamp"; }
constexpr char const* word_of(ExportOrder const&) { return "export"; }
constexpr char const* word_of(CopyOrder const&) { return "copy"; }
constexpr char const* word_of(TargetText const&) { return "target"; }
constexpr char const* word_of(TargetPiece const&) { return "torrent"; }
constexpr char const* word_of(FetchOrder const&) { return "fetch"; }
constexpr char const* word_of(Said const&) { return "said"; }
constexpr char const* word_of(StatusLines const&) { return "status"; }
constexpr char const* word_of(Out const&) { return "out"; }
constexpr char const* word_of(DoneOrder const&) { return "done"; }
constexpr char const* word_of(FailedOrder const&) { return "failed"; }

template <class Variant>
Frame frame_of(Variant const& message) {
  return std::visit(
      [](auto const& one) {
        Writer writer{word_of(one)};
        fields(writer, one, one);
        return writer.take();
      },
      message);
}

template <class Variant, std::size_t at = 0>
Result<Variant> message_from(Frame const& frame, std::string const& type) {
  if constexpr (at == std::variant_size_v<Variant>) {
    return malformed("an unknown kind");
  } else {
    std::variant_alternative_t<at, Variant> one{};
    if (type != word_of(one)) return message_from<Variant, at + 1>(frame, type);
    Reader reader{frame};
    fields(reader, decltype(one){}, one);
    IMPOUND_CHECK(reader.end());
    return Variant{std::move(one)};
  }
}

}  // namespace

Frame to_frame(ControlOrder const& order) { return frame_of(order); }
Frame to_frame(ControlAnswer const& answer) { return frame_of(answer); }

Result<ControlOrder> control_order_from(Frame const& frame) {
  IMPOUND_TRY(type, frame_text(frame, "t"));
  return message_from<ControlOrder>(frame, type);
}

Result<ControlAnswer> control_answer_from(Frame const& frame) {
  IMPOUND_TRY(type, frame_text(frame, "t"));
  return message_from<ControlAnswer>(frame, type);
}

}  // namespace impound::agent
