// impound-swarm-worker: libtorrent in a process of its own, without key, log or vault, and in a sandbox. It is started
// by impound; nobody else has a reason to start it.
#include "evidence/system/sandbox.h"
#include "fetchers/torrents/worker/process.h"

int main() { return impound::fetchers::run_worker(impound::newest_landlock); }
