// RecordReader, check_record and the view of its items: whatever is read is written as bytes that read to the same, and
// what is shown is plain ASCII.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/values/must.h"
#include "fetchers/torrents/swarm_record.h"

using namespace impound;
using namespace impound::fetchers;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const record{reinterpret_cast<char const*>(bytes), size};
  InfoHashes torrent;
  torrent.v1.emplace().bytes.fill(std::byte{1});
  RecordReader reader{record};
  std::size_t before = 0;
  for (auto item = reader.next(); item && item.value(); item = reader.next()) {
    must(reader.position() > before);
    before = reader.position();
    auto const written = record_bytes(*item.value());
    must(bool(written));
    RecordReader again{written.value()};
    auto const read = again.next();
    must(read && read.value() && record_bytes(*read.value()).value() == written.value());
    for (char const c : record_json(*item.value()).dump()) must(c >= 0x20 && c < 0x7f);
  }
  must(reader.position() <= size);
  (void)check_record(record, torrent);
  return 0;
}
