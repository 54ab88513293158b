// Reading a swarm record from its front, and showing its items. See swarm_record.h.
#include <set>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/values/utc_time.h"
#include "fetchers/ip_address.h"
#include "fetchers/torrents/record_fields.h"
#include "fetchers/torrents/swarm_record.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t torn_bytes_max = frame_bytes_max;

Error damaged(std::string what, std::size_t at) {
  return Error{Code::malformed, "a swarm record is malformed: " + what, "byte " + std::to_string(at), {}};
}

/// Printable ASCII as it is, all else as \xNN: what strangers said, and safe on a terminal.
std::string plain(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (char const c : bytes) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\')
      text += c;
    else
      (((text += "\\x") += digits[byte >> 4]) += digits[byte & 15]);
  }
  return text;
}

std::string time_text(std::uint64_t us) {
  constexpr std::uint64_t year_10000_us = 253'402'300'800'000'000;  // beyond what a frame's number can hold
  static_assert(year_10000_us > (std::uint64_t{1} << 53));
  return utc_text(static_cast<std::int64_t>(us));
}

std::string hex_of(Frame const& binary) {
  auto const& bytes = binary.get_binary();
  return hex(Bytes{reinterpret_cast<std::byte const*>(bytes.data()), bytes.size()});
}

Json run_json(RecordFailedPiece::Run const& run) {
  Json one{{"blocks", run.blocks}};
  if (run.from) one["from"] = record_address_text(*run.from);
  return one;
}

Json row_json(RecordSenders::Row const& row, std::uint64_t number) {
  Json one{{"number", number}, {"blocks", row.blocks}, {"bytes", row.bytes}};
  if (row.at.port == 0)
    one["web_seed"] = hex(Bytes{row.at.bytes});
  else
    one["peer"] = record_address_text(row.at);
  return one;
}

bool is_time(std::string_view key) {
  static std::set<std::string_view> const times{"begun", "time", "connected", "left", "started", "ended"};
  return times.contains(key);
}
bool is_text(std::string_view key) {
  static std::set<std::string_view> const texts{"engine",  "client",   "why",  "url", "error",
                                                "warning", "web_seed", "host", "tls", "outcome"};
  return texts.contains(key);
}

}  // namespace

bool is_mapped(std::array<std::byte, 16> const& address) {
  for (std::size_t i = 0; i < 10; ++i)
    if (address[i] != std::byte{0}) return false;
  return address[10] == std::byte{0xff} && address[11] == std::byte{0xff};
}

Result<std::optional<RecordItem>> RecordReader::next() {
  if (at_ == bytes_.size()) return std::optional<RecordItem>{};
  if (bytes_.size() > record_bytes_max) return damaged("it is longer than a record may be", at_);
  auto const rest = bytes_.substr(at_, torn_bytes_max);
  std::size_t end = 0;
  if (char const* const why = refuse_first(rest, end)) return damaged(why, at_);
  auto const frame = decode_frame(rest.substr(0, end));
  if (!frame) return damaged(frame.error().what, at_);
  auto item = record_item_from(frame.value());
  if (!item) return damaged(item.error().what, at_);
  at_ += end;
  return std::optional{std::move(item).value()};
}

Result<void> check_record(std::string_view bytes, InfoHashes const& torrent) {
  RecordReader reader{bytes};
  bool any = false;
  std::uint64_t senders = 0;
  while (true) {
    std::size_t const at = reader.position();
    IMPOUND_TRY(item, reader.next());
    if (!item) break;
    auto const* const head = std::get_if<RecordHead>(&*item);
    if (!any && head == nullptr) return damaged("it does not begin with a head", at);
    any = true;
    if (head != nullptr && !same_torrent(head->hashes, torrent)) return damaged("it is of another torrent", at);
    if (std::holds_alternative<RecordTable>(*item)) senders = 0;
    if (auto const* const named = std::get_if<RecordSenders>(&*item)) {
      if (named->first != record_first_sender + senders) return damaged("senders out of order", at);
      senders += named->rows.size();
    }
    if (auto const* const blocks = std::get_if<RecordBlocks>(&*item))
      for (auto const& [sender, count] : blocks->runs)
        if (sender >= record_first_sender + senders || count == 0) return damaged("blocks of no sender", at);
  }
  return any ? Result<void>{ok()} : damaged("it is empty", 0);
}

std::string record_address_text(RecordAddress const& at) {
  if (at.port == 0) return "web seed " + hex(Bytes{at.bytes});
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(at.bytes[i]);
  auto const number = [&] {
    return std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 | std::uint32_t{bytes[14]} << 8 | bytes[15];
  };
  auto const address = is_mapped(at.bytes) ? IpAddress::v4(number()) : IpAddress::v6(bytes);
  return address.text_in_url() + ":" + std::to_string(at.port);
}

Json record_json(RecordItem const& item) {
  Frame const frame = record_frame(item);
  Json json = Json::object();
  for (auto const& [key, value] : frame.items()) {
    if (is_time(key) && value.is_number())
      json[key] = time_text(value.get<std::uint64_t>());
    else if (value.is_binary() && is_text(key))
      json[key] = plain({reinterpret_cast<char const*>(value.get_binary().data()), value.get_binary().size()});
    else if (value.is_binary())
      json[key] = hex_of(value);
    else
      json[key] = value;
  }
  if (auto const* const peer = std::get_if<RecordPeer>(&item)) {
    json["first"] = time_text(peer->first_us);
    json.erase("port");
    json["address"] = record_address_text(peer->at);
  }
  if (auto const* const one = std::get_if<RecordExchange>(&item)) {
    json["certificates"] = Json::array();
    for (auto const& digest : one->certificates) json["certificates"].push_back(hex(digest));
  }
  if (auto const* const one = std::get_if<RecordCertificate>(&item)) json["sha256"] = hex(sha256(bytes_of(one->der)));
  if (auto const* const failed = std::get_if<RecordFailedPiece>(&item)) {
    json["from"] = Json::array();
    for (auto const& run : failed->from) json["from"].push_back(run_json(run));
  }
  if (auto const* const senders = std::get_if<RecordSenders>(&item)) {
    json["rows"] = Json::array();
    for (std::size_t i = 0; i < senders->rows.size(); ++i)
      json["rows"].push_back(row_json(senders->rows[i], senders->first + i));
  }
  return json;
}

}  // namespace impound::fetchers
