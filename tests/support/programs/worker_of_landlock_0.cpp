// The swarm worker as it runs on a kernel without Landlock.
#include "fetchers/torrents/worker/process.h"

int main() { return impound::fetchers::run_worker(0); }
