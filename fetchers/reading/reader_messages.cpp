#include "fetchers/reading/reader_messages.h"

#include <algorithm>
#include <array>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t reference_bytes_max = 16'384;  // a magnet is the longest there is
constexpr std::size_t name_bytes_max = 100;          // of a rule, a media type, a charset

constexpr std::array layers{Layer::body, Layer::text, Layer::html};
constexpr std::array kinds{ReferenceKind::magnet, ReferenceKind::info_hash, ReferenceKind::torrent_url,
                           ReferenceKind::archive_item};
constexpr std::array confidences{Confidence::high, Confidence::medium, Confidence::low};
constexpr std::array answers{Answer::content, Answer::denied, Answer::not_ready, Answer::gone};
constexpr std::array reasons{Refused::coding, Refused::too_large, Refused::bomb,       Refused::time,  Refused::memory,
                             Refused::markup, Refused::list,      Refused::references, Refused::reader};

Error malformed(char const* what) {
  return Error{Code::malformed, std::string{"a reader's message is malformed: "} + what, {}, {}};
}

template <class Enum, std::size_t n>
std::optional<Enum> of_word(std::array<Enum, n> const& table, std::string_view said) {
  for (Enum const one : table)
    if (said == word(one)) return one;
  return std::nullopt;
}

/// Takes a row's or message's values, each checked; the first that is wrong is remembered, and nothing that comes after
/// it is of any use.
class Values {
 public:
  bool good() const { return wrong_ == nullptr; }
  Error error() const { return malformed(wrong_ == nullptr ? "" : wrong_); }
  void is(bool right, char const* what) {
    if (!right && wrong_ == nullptr) wrong_ = what;
  }
  std::string text(Frame const& value, std::size_t bytes_max, char const* what) {
    is(value.is_string() && value.get_ref<std::string const&>().size() <= bytes_max, what);
    return good() ? value.get<std::string>() : std::string{};
  }
  std::string bytes(Frame const& value, std::size_t bytes_max, char const* what) {
    is(value.is_binary() && value.get_binary().size() <= bytes_max, what);
    if (!good()) return {};
    return {value.get_binary().begin(), value.get_binary().end()};
  }
  std::uint64_t number(Frame const& value, char const* what) {
    is(value.is_number_unsigned(), what);
    return good() ? value.get<std::uint64_t>() : 0;
  }
  template <class Enum, std::size_t n>
  Enum one_of(std::array<Enum, n> const& table, Frame const& value, char const* what) {
    auto const found = of_word(table, text(value, name_bytes_max, what));
    is(found.has_value(), what);
    return found.value_or(table[0]);
  }
  template <class DigestType>
  std::optional<DigestType> digest(Frame const& value, char const* what) {
    auto const raw = bytes(value, DigestType::size, what);
    if (raw.empty()) return std::nullopt;
    is(raw.size() == DigestType::size, what);
    if (!good()) return std::nullopt;
    DigestType digest;
    std::transform(raw.begin(), raw.end(), digest.bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
    return digest;
  }
  Frame const& field(Frame const& frame, char const* key) {
    static Frame const none;
    auto const found = frame.find(key);
    is(found != frame.end(), key);
    return found == frame.end() ? none : *found;
  }
  Frame const& rows(Frame const& frame, std::size_t at_most) {
    static Frame const none = Frame::array();
    Frame const& value = field(frame, "rows");
    is(value.is_array() && value.size() <= at_most, "rows");
    return good() ? value : none;
  }

 private:
  char const* wrong_ = nullptr;
};

template <class DigestType>
Frame digest_value(std::optional<DigestType> const& digest) {
  if (!digest) return bytes_value({});
  return bytes_value({reinterpret_cast<char const*>(digest->bytes.data()), digest->bytes.size()});
}

Frame found_row(FoundReference const& found) {
  Reference const& one = found.reference;
  return Frame::array({word(one.kind), bytes_value(one.canonical), digest_value(one.hashes.v1),
                       digest_value(one.hashes.v2), bytes_value(one.url), bytes_value(one.text), one.offset, one.rule,
                       word(one.confidence), word(found.layer)});
}

FoundReference found_from(Frame const& row, Values& values) {
  FoundReference found;
  values.is(row.is_array() && row.size() == 10, "a reference");
  if (!values.good()) return found;
  Reference& one = found.reference;
  one.kind = values.one_of(kinds, row[0], "a reference's kind");
  one.canonical = values.bytes(row[1], reference_bytes_max, "a reference");
  one.hashes.v1 = values.digest<InfoHashV1>(row[2], "an info-hash");
  one.hashes.v2 = values.digest<InfoHashV2>(row[3], "an info-hash");
  one.url = values.bytes(row[4], reference_bytes_max, "a reference's URL");
  one.text = values.bytes(row[5], reference_bytes_max, "a reference's text");
  one.offset = values.number(row[6], "a reference's offset");
  one.length = one.text.size();
  one.rule = values.text(row[7], name_bytes_max, "a reference's rule");
  one.confidence = values.one_of(confidences, row[8], "a reference's confidence");
  found.layer = values.one_of(layers, row[9], "a reference's layer");
  values.is(!one.canonical.empty(), "a reference without a name");
  return found;
}

Frame listed_row(ListedItem const& item) {
  Frame row = Frame::array({bytes_value(item.key), bytes_value(item.title), bytes_value(item.author)});
  if (item.published_us) row.push_back(*item.published_us);
  return row;
}

ListedItem listed_from(Frame const& row, Values& values) {
  ListedItem item;
  values.is(row.is_array() && (row.size() == 3 || row.size() == 4), "an item");
  if (!values.good()) return item;
  item.key = values.bytes(row[0], list_field_bytes_max, "an item's key");
  item.title = values.bytes(row[1], list_field_bytes_max, "an item's title");
  item.author = values.bytes(row[2], list_field_bytes_max, "an item's author");
  if (row.size() == 4) {
    values.is(row[3].is_number_unsigned() || row[3].is_number_integer(), "an item's time");
    if (values.good()) item.published_us = row[3].get<std::int64_t>();
  }
  return item;
}

Frame facts_frame(PageRead const& message) {
  PageFacts const& facts = message.facts;
  Frame frame{{"t", "facts"},
              {"job", message.job},
              {"answer", word(facts.answer)},
              {"media_type", facts.media_type},
              {"charset", facts.charset},
              {"charset_from", facts.charset_from},
              {"base", bytes_value(facts.base)},
              {"decoded", facts.decoded_bytes},
              {"replaced", facts.replaced},
              {"sha256", digest_value(facts.text_sha256)},
              {"is_list", facts.list.has_value()},
              {"unreadable", facts.unreadable},
              {"unreadable_why", bytes_value(facts.unreadable_why)},
              {"refused", Frame::array()}};
  for (Refusal const& one : facts.refusals)
    frame["refused"].push_back(Frame::array({word(one.why), bytes_value(one.detail)}));
  return frame;
}

Result<FromReader> facts_from(Frame const& frame) {
  if (frame.size() != 14) return malformed("a field too many, or one is missing");
  Values values;
  PageRead message;
  PageFacts& facts = message.facts;
  message.job = values.number(values.field(frame, "job"), "job");
  facts.answer = values.one_of(answers, values.field(frame, "answer"), "answer");
  facts.media_type = values.text(values.field(frame, "media_type"), name_bytes_max, "media_type");
  facts.charset = values.text(values.field(frame, "charset"), name_bytes_max, "charset");
  facts.charset_from = values.text(values.field(frame, "charset_from"), name_bytes_max, "charset_from");
  facts.base = values.bytes(values.field(frame, "base"), reference_bytes_max, "base");
  facts.decoded_bytes = values.number(values.field(frame, "decoded"), "decoded");
  facts.replaced = values.number(values.field(frame, "replaced"), "replaced");
  facts.text_sha256 = values.digest<Sha256>(values.field(frame, "sha256"), "sha256");
  Frame const& is_list = values.field(frame, "is_list");
  values.is(is_list.is_boolean(), "is_list");
  if (values.good() && is_list.get<bool>()) facts.list.emplace();
  facts.unreadable = values.number(values.field(frame, "unreadable"), "unreadable");
  facts.unreadable_why = values.bytes(values.field(frame, "unreadable_why"), refusal_bytes_max, "unreadable_why");
  Frame const& refused = values.field(frame, "refused");
  values.is(refused.is_array() && refused.size() <= refusals_max, "refused");
  if (!values.good()) return values.error();
  for (Frame const& row : refused) {
    if (!row.is_array() || row.size() != 2) return malformed("a refusal");
    Refused const why = values.one_of(reasons, row[0], "a refusal's reason");
    facts.refusals.push_back({why, values.bytes(row[1], refusal_bytes_max, "a refusal's detail")});
  }
  if (!values.good()) return values.error();
  return FromReader{std::move(message)};
}

template <class Message>
Result<FromReader> rows_from(Frame const& frame, auto const& row_from) {
  if (frame.size() != 3) return malformed("a field too many, or one is missing");
  Values values;
  Message message;
  message.job = values.number(values.field(frame, "job"), "job");
  for (Frame const& row : values.rows(frame, rows_max)) message.rows.push_back(row_from(row, values));
  if (!values.good()) return values.error();
  return FromReader{std::move(message)};
}

template <class Message>
Frame rows_frame(char const* type, Message const& message, auto const& row_of) {
  Frame frame{{"t", type}, {"job", message.job}, {"rows", Frame::array()}};
  for (auto const& row : message.rows) frame["rows"].push_back(row_of(row));
  return frame;
}

}  // namespace

char const* word(Layer layer) {
  switch (layer) {
    case Layer::body: return "body";
    case Layer::text: return "text";
    case Layer::html: return "html";
  }
  return "body";
}

char const* word(Refused why) {
  switch (why) {
    case Refused::coding: return "coding";
    case Refused::too_large: return "too_large";
    case Refused::bomb: return "bomb";
    case Refused::time: return "time";
    case Refused::memory: return "memory";
    case Refused::markup: return "markup";
    case Refused::list: return "list";
    case Refused::references: return "references";
    case Refused::reader: return "reader";
  }
  return "reader";
}

Frame to_frame(ReadPage const& message) {
  return Frame{{"t", "read"},
               {"job", message.job},
               {"size", message.size},
               {"content_type", bytes_value(message.order.content_type)},
               {"content_coding", bytes_value(message.order.content_coding)},
               {"profile", bytes_value(message.order.profile)},
               {"list", message.order.list},
               {"references", message.order.references},
               {"decoded_max", message.limits.decoded_bytes_max},
               {"references_max", message.limits.references_max},
               {"ms_max", static_cast<std::uint64_t>(message.limits.time_max.count())}};
}

Result<ReadPage> read_page_from(Frame const& frame) {
  if (frame.size() != 11) return malformed("a field too many, or one is missing");
  IMPOUND_TRY(type, frame_text(frame, "t"));
  if (type != "read") return malformed("an unknown kind");
  ReadPage message;
  IMPOUND_TRY(job, frame_number(frame, "job"));
  IMPOUND_TRY(size, frame_number(frame, "size"));
  IMPOUND_TRY(content_type, frame_bytes(frame, "content_type"));
  IMPOUND_TRY(content_coding, frame_bytes(frame, "content_coding"));
  IMPOUND_TRY(profile, frame_bytes(frame, "profile"));
  IMPOUND_TRY(list, frame_flag(frame, "list"));
  IMPOUND_TRY(references, frame_flag(frame, "references"));
  IMPOUND_TRY(decoded_max, frame_number(frame, "decoded_max"));
  IMPOUND_TRY(references_max, frame_number(frame, "references_max"));
  IMPOUND_TRY(ms_max, frame_number(frame, "ms_max"));
  if (content_type.size() > field_bytes_max || content_coding.size() > field_bytes_max ||
      profile.size() > profile_bytes_max)
    return malformed("a field that is too long");
  message.job = job;
  message.size = size;
  message.order = {std::move(content_type), std::move(content_coding), std::move(profile), list, references};
  message.limits = {decoded_max, references_max, std::chrono::milliseconds{std::min<std::uint64_t>(ms_max, 3'600'000)}};
  return message;
}

Frame to_frame(FromReader const& message) {
  if (auto const* hello = std::get_if<ReaderHello>(&message)) return Frame{{"t", "hello"}, {"version", hello->version}};
  if (auto const* found = std::get_if<FoundRows>(&message)) return rows_frame("found", *found, found_row);
  if (auto const* listed = std::get_if<ListedRows>(&message)) return rows_frame("listed", *listed, listed_row);
  return facts_frame(std::get<PageRead>(message));
}

Result<FromReader> from_reader_from(Frame const& frame) {
  IMPOUND_TRY(type, frame_text(frame, "t"));
  if (type == "hello") {
    if (frame.size() != 2) return malformed("a field too many");
    IMPOUND_TRY(version, frame_number(frame, "version"));
    return FromReader{ReaderHello{version}};
  }
  if (type == "found") return rows_from<FoundRows>(frame, found_from);
  if (type == "listed") return rows_from<ListedRows>(frame, listed_from);
  if (type == "facts") return facts_from(frame);
  return malformed("an unknown kind");
}

std::size_t row_bytes(FoundReference const& row) {
  return 128 + row.reference.canonical.size() + row.reference.url.size() + row.reference.text.size();
}
std::size_t row_bytes(ListedItem const& row) { return 32 + row.key.size() + row.title.size() + row.author.size(); }

}  // namespace impound::fetchers
