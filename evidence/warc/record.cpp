#include "evidence/warc/record.h"

#include <array>

#include "evidence/formats/hex.h"

namespace impound::evidence {

std::string make_record_id(Randomness& randomness) {
  std::array<std::byte, 16> id{};
  randomness.fill(id);
  id[6] = (id[6] & std::byte{0x0f}) | std::byte{0x40};
  id[8] = (id[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string const digits = hex(id);
  return "urn:uuid:" + digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

Json to_json(WrittenRecord const& record) {
  return Json{{"file", record.file},           {"length", record.length},      {"offset", record.offset},
              {"record_id", record.record_id}, {"sha256", hex(record.sha256)}, {"type", record.type}};
}

Result<WrittenRecord> written_record_from(Json const& json) {
  auto const malformed = [](char const* what) { return Error{Code::malformed, what, {}, {}}; };
  if (!json.is_object() || json.size() != 6) return malformed("a record's place has six fields");
  WrittenRecord record;
  for (auto const& [key, into] : {std::pair<char const*, std::string*>{"file", &record.file},
                                  {"record_id", &record.record_id},
                                  {"type", &record.type}}) {
    auto const found = json.find(key);
    if (found == json.end() || !found->is_string()) return malformed("a record's file, record_id or type is no text");
    *into = found->get_ref<std::string const&>();
  }
  for (auto const& [key, into] :
       {std::pair<char const*, std::uint64_t*>{"length", &record.length}, {"offset", &record.offset}}) {
    auto const found = json.find(key);
    if (found == json.end() || !found->is_number_unsigned())
      return malformed("a record's offset or length is no number");
    *into = found->get<std::uint64_t>();
    if (*into > static_cast<std::uint64_t>(json_integer_max))
      return malformed("a record's offset or length is too large");
  }
  auto const found = json.find("sha256");
  if (found == json.end() || !found->is_string()) return malformed("a record's sha256 is no text");
  auto const digest = digest_from_hex<Sha256>(found->get_ref<std::string const&>());
  if (!digest) return malformed("a record's sha256 is no digest");
  record.sha256 = *digest;
  if (!record.file.starts_with("warc/") || record.file.find('/', 5) != std::string::npos || record.file.size() < 6)
    return malformed("a record's file is not in warc/");
  if (record.length == 0) return malformed("a record has no bytes");
  return record;
}

}  // namespace impound::evidence
