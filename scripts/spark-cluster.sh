#!/usr/bin/env bash
# A real Spark for tests and trials, on loopback only: a standalone master, workers and a Spark Connect server, or all in
# one process. Installs PyPI's pyspark into .venv-spark, and a Java by apt as root, where they are missing.
#   scripts/spark-cluster.sh install|start|stop|kill|status [STATE_DIR=.spark] [-- more arguments for spark-submit]
# start   starts what is not running yet (so it also heals), and prints the server's sc:// address
# stop    stops all of it, the server first; kill NAME: SIGKILL to connect, worker1, worker2, master or executors
# WORKERS=2 (0: one process, local[2]) CORES=1 EXECUTOR_MEMORY=1g DRIVER_MEMORY=1g MASTER_PORT=7077 CONNECT_PORT=15002
# TIMEOUT=120 (seconds for each part). With SPARK_CONNECT_AUTHENTICATE_TOKEN set, the server asks for that token.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
usage() { sed -n '4,9s/^# *//p' "$0" >&2; exit 2; }
command=${1:-}; shift || usage
victim=; if [[ $command == kill ]]; then victim=${1:?kill what?}; shift; fi
state=.spark; if [[ $# -gt 0 && $1 != -- ]]; then state=$1; shift; fi
if [[ ${1:-} == -- ]]; then shift; fi
: "${WORKERS:=2}" "${CORES:=1}" "${EXECUTOR_MEMORY:=1g}" "${DRIVER_MEMORY:=1g}" "${MASTER_PORT:=7077}" "${CONNECT_PORT:=15002}" "${TIMEOUT:=120}"
mkdir -p "$state"; state=$(cd "$state" && pwd)
venv=$root/.venv-spark

install() {
  local wanted; wanted=$(<"$root/test/engines/requirements.txt")
  if [[ $(cat "$venv/millrace-requirements" 2>/dev/null) != "$wanted" ]]; then
    [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
    "$venv/bin/pip" install -qq --disable-pip-version-check -r "$root/test/engines/requirements.txt" >&2
    printf '%s' "$wanted" >"$venv/millrace-requirements"
  fi
  if ! command -v java >/dev/null; then
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless; } >/dev/null
    else
      echo "spark-cluster: install a Java runtime, 17 or later (Debian: apt-get install openjdk-17-jre-headless)" >&2; exit 1
    fi
  fi
}

# A pid file may outlive its process, and the number be another's by now.
alive() { [[ -f $state/$1.pid ]] && grep -qsa org.apache.spark "/proc/$(<"$state/$1.pid")/cmdline"; }
open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Spark's scripts exec, so the number becomes the JVM's.
launch() {
  local name=$1; shift
  (cd "$state"; setsid nohup "$@" >"$state/$name.log" 2>&1 </dev/null & echo $! >"$state/$name.pid")
}
await_part() { # NAME TEST...: until the test holds; else says why, stops all and fails
  local name=$1 i; shift
  for ((i = 0; i < TIMEOUT * 5; i++)); do
    "$@" && return
    # the scripts need a moment until they are the JVM
    if ((i > 25)) && ! alive "$name"; then break; fi
    sleep .2
  done
  { echo "spark-cluster: $name did not come up; from $state/$name.log:"; grep -E 'ERROR|Exception|Error' "$state/$name.log" | head -n 5; } >&2
  stop_all; exit 1
}
end_part() { # NAME: SIGTERM, and SIGKILL after 15 s
  local pid i
  if alive "$1"; then
    pid=$(<"$state/$1.pid"); kill "$pid" 2>/dev/null || true
    for ((i = 0; i < 150; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep .1; done
    kill -9 "$pid" 2>/dev/null || true
  fi
  rm -f "$state/$1.pid"
}
parts() { local f; for f in "$state"/*.pid; do [[ -f $f ]] && basename "$f" .pid; done; true; }
stop_all() { # the server first: its executors go with it
  local name
  for name in connect $(parts | grep -v '^master$') master; do end_part "$name"; done
  rm -rf "$state/local" "$state"/work[0-9]*
}
registered() { grep -qs 'Successfully registered with master' "$state/$1.log"; }

start_all() {
  install
  # What ended queries were is kept for pages that nobody looks at here: by default enough to fill a small driver's heap.
  local home small master="local[2]" w class
  small=(spark.ui.enabled=false spark.sql.ui.retainedExecutions=5 spark.ui.retainedJobs=5 spark.ui.retainedStages=5
    spark.ui.retainedTasks=100 spark.ui.dagGraph.retainedRootRDDs=5 spark.ui.retainedDeadExecutors=5
    spark.sql.connect.ui.retainedSessions=5 spark.sql.connect.ui.retainedStatements=5
    spark.connect.execute.manager.abandonedTombstonesSize=100)
  home=$(cd "$venv"/lib/python3*/site-packages/pyspark && pwd)
  # SPARK_DAEMON_MEMORY would override the Connect server's --driver-memory: only the master and the workers get it.
  unset SPARK_DAEMON_MEMORY SPARK_CONF_DIR SPARK_MASTER
  export SPARK_HOME=$home SPARK_CONNECT_MODE=0 SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS=$state/local
  class=(env SPARK_DAEMON_MEMORY=256m SPARK_MASTER_OPTS=-Dspark.master.rest.enabled=false "$home/bin/spark-class")
  mkdir -p "$state/local"
  if ((WORKERS > 0)); then
    master=spark://127.0.0.1:$MASTER_PORT
    if ! alive master; then
      if open "$MASTER_PORT"; then echo "spark-cluster: port $MASTER_PORT is taken" >&2; exit 1; fi
      launch master "${class[@]}" org.apache.spark.deploy.master.Master --host 127.0.0.1 --port "$MASTER_PORT" --webui-port 0
      await_part master open "$MASTER_PORT"
    fi
    for ((w = 1; w <= WORKERS; w++)); do
      alive "worker$w" || launch "worker$w" "${class[@]}" org.apache.spark.deploy.worker.Worker "$master" --host 127.0.0.1 \
        --cores "$CORES" --memory "$EXECUTOR_MEMORY" --work-dir "$state/work$w" --webui-port 0
    done
    for ((w = 1; w <= WORKERS; w++)); do await_part "worker$w" registered "worker$w"; done
  fi
  if ! alive connect; then
    if open "$CONNECT_PORT"; then echo "spark-cluster: port $CONNECT_PORT is taken" >&2; stop_all; exit 1; fi
    launch connect "$home/bin/spark-submit" --class org.apache.spark.sql.connect.service.SparkConnectServer --master "$master" \
      --driver-memory "$DRIVER_MEMORY" "${small[@]/#/--conf=}" --conf spark.connect.grpc.binding.address=127.0.0.1 \
      --conf spark.connect.grpc.binding.port="$CONNECT_PORT" --conf spark.driver.host=127.0.0.1 \
      --conf spark.driver.bindAddress=127.0.0.1 --conf spark.executor.cores="$CORES" \
      --conf spark.executor.memory="$EXECUTOR_MEMORY" --conf spark.sql.session.timeZone=UTC \
      --conf spark.sql.warehouse.dir="$state/warehouse" "$@"
    await_part connect open "$CONNECT_PORT"
  fi
  echo "sc://127.0.0.1:$CONNECT_PORT"
}

case $command in
install) install ;;
start) start_all "$@" ;;
stop) stop_all ;;
kill)
  if [[ $victim == executors ]]; then
    # each is a child of a worker of this state
    for name in $(parts | grep '^worker'); do pkill -9 -P "$(<"$state/$name.pid")" || true; done
  else
    if alive "$victim"; then
      pid=$(<"$state/$victim.pid"); kill -9 "$pid"
      # its ports are free when it is gone
      for ((i = 0; i < 300; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep .1; done
    fi
    rm -f "$state/$victim.pid"
  fi ;;
status)
  code=3
  for name in $(parts); do
    if alive "$name"; then
      code=0; pid=$(<"$state/$name.pid")
      printf '%-8s pid %-7s %5d MiB\n' "$name" "$pid" $(($(awk '/VmRSS/ { print $2 }' "/proc/$pid/status") / 1024))
    fi
  done
  if open "$CONNECT_PORT"; then echo "sc://127.0.0.1:$CONNECT_PORT accepts connections"; fi
  exit $code ;;
*) usage ;;
esac
