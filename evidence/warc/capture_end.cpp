#include "evidence/warc/capture_end.h"

#include <string>
#include <utility>

namespace impound::evidence {

void add_capture_end(Json& metadata, CaptureEnd const& end) {
  metadata["attempt"] = end.attempt.text();
  metadata["capture"] = Json{{"records", end.records}, {"result", end.result}};
}

std::optional<CaptureEnd> capture_end_from(std::string_view block) {
  if (block.size() > capture_end_bytes_max) return std::nullopt;
  auto read = read_canonical(block);
  if (!read || !read.value().is_object()) return std::nullopt;
  Json const& json = read.value();
  auto const attempt = json.find("attempt");
  auto const capture = json.find("capture");
  if (attempt == json.end() || !attempt->is_string() || capture == json.end() || !capture->is_object())
    return std::nullopt;
  auto id = EntryId::parse(attempt->get_ref<std::string const&>());
  auto const records = capture->find("records");
  auto const result = capture->find("result");
  if (!id || records == capture->end() || !records->is_number_unsigned() || result == capture->end() ||
      !result->is_object() || result->contains("records"))
    return std::nullopt;
  return CaptureEnd{*std::move(id), records->get<std::uint64_t>(), *result};
}

}  // namespace impound::evidence
