#include "fetchers/reading/worker/media_type.h"

#include <magic.h>

#include <algorithm>
#include <memory>

namespace impound::fetchers {

namespace {

constexpr std::size_t type_bytes_max = 100;

using Magic = std::unique_ptr<std::remove_pointer_t<magic_t>, void (*)(magic_t)>;

Magic& loaded() {
  static Magic magic{nullptr, &::magic_close};
  return magic;
}

}  // namespace

Result<void> load_media_types() {
  if (loaded()) return ok();
  // Nothing of it is unpacked and no file is looked at: the first bytes alone decide.
  Magic magic{::magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_CDF),
              &::magic_close};
  if (!magic || ::magic_load(magic.get(), nullptr) != 0)
    return Error{Code::io, "cannot load libmagic's database", magic ? ::magic_error(magic.get()) : "", {}};
  loaded() = std::move(magic);
  return ok();
}

std::string media_type_of(std::string_view first) {
  if (!loaded()) return {};
  char const* const said = ::magic_buffer(loaded().get(), first.data(), first.size());
  if (said == nullptr) return {};
  std::string type(std::string_view(said).substr(0, type_bytes_max));
  bool const printable = std::all_of(type.begin(), type.end(), [](char c) { return c > ' ' && c <= '~'; });
  return printable ? type : std::string{};
}

bool may_be_text(std::string_view type) {
  if (type.empty() || type.starts_with("text/") || type.starts_with("message/")) return true;
  for (std::string_view const one : {"application/octet-stream", "application/json", "application/x-ndjson",
                                     "application/xml", "application/xhtml+xml", "application/javascript",
                                     "application/rtf", "application/pgp", "application/csv", "image/svg+xml"})
    if (type == one) return true;
  return type.ends_with("+xml") || type.ends_with("+json") || type.starts_with("application/x-empty");
}

}  // namespace impound::fetchers
