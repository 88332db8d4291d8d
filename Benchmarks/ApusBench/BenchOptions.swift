import ArgumentParser
import Glibc

/// What every kind of run can be told.
struct BenchOptions: ParsableArguments {
    @Option(help: "The server program to measure: a release build.")
    var server = ".build/release/apus"

    @Option(help: "Storage backends, separated by commas: sqlite, lmdb, memory. Others are compared with the first.")
    var backends = "sqlite"

    @Option(help: "The server's DB_DURABILITY, separated by commas: full, normal.")
    var durability = "full"

    @Flag(help: "Call the engine inside this process: no server, no sockets.")
    var inProcess = false

    @Flag(inversion: .prefixedNo, help: "Also measure what the same work could reach at most, without our code.")
    var raw = true

    @Option(help: "The server's EVENT_LOOPS.")
    var eventLoops = 1

    @Option(help: "NAME=value for the server's environment, over the settings of the run; may be repeated.")
    var environment: [String] = []

    @Option(help: "Where the databases are made and removed again: a folder on the disk that is to be measured.")
    var dir = ".build/bench"

    @Flag(help: "Leave the databases and the server's logs where they are.")
    var keep = false

    @Flag(inversion: .prefixedNo, help: "The server on core 0, this program on core 1.")
    var pin = true

    @Option(help: "How long each kind of work is measured.")
    var seconds = 3.0

    @Option(help: "How long the same work is done before.")
    var warmUp = 1.0

    @Option(help: "Users in the key space.")
    var users = 100

    @Option(help: "Collections of each user.")
    var collections = 10

    @Option(help: "Keys of each collection.")
    var keys = 1000

    @Flag(inversion: .prefixedNo, help: "Write every record of the key space before measuring on it.")
    var load = true

    @Option(help: "Seed of the random choice of records.")
    var seed: UInt64 = 1

    @Option(help: "Also write the results to this file, as JSON.")
    var json: String?

    @Option(help: "Also draw the rates into this file, as SVG.")
    var plot: String?

    mutating func validate() throws {
        guard !durabilities.isEmpty, durabilities.allSatisfy(["full", "normal"].contains) else {
            throw ValidationError("--durability full, normal or both, separated by a comma")
        }
        guard (0.1...600).contains(seconds), (0...600).contains(warmUp) else {
            throw ValidationError("--seconds 0.1 to 600, --warm-up 0 to 600")
        }
        guard (1...10_000).contains(users), (1...100).contains(collections), (1...1_000_000).contains(keys) else {
            throw ValidationError("--users 1 to 10000, --collections 1 to 100, --keys 1 to 1000000")
        }
        guard (1...64).contains(eventLoops) else { throw ValidationError("--event-loops 1 to 64") }
        guard !backendNames.isEmpty else { throw ValidationError("--backends names no backend") }
    }

    private var backendNames: [String] { backends.split(separator: ",").map(String.init) }

    private var durabilities: [String] { durability.split(separator: ",").map(String.init) }

    /// What is compared, in this order. What keeps nothing is measured once, whatever the durability.
    var variants: [Variant] {
        backendNames.flatMap { backend in
            backend == "memory"
                ? [Variant(backend: backend, durability: "none")]
                : durabilities.map { Variant(backend: backend, durability: $0) }
        }
    }

    var space: KeySpace { KeySpace(users: users, collections: collections, keys: keys) }

    func plan(_ variant: Variant) -> ServerProcess.Plan {
        ServerProcess.Plan(
            program: server, backend: variant.backend, durability: variant.durability, eventLoops: eventLoops,
            environment: environment, isPinned: pin)
    }

    /// How this run was started.
    var command: String { (["apus-bench"] + CommandLine.arguments.dropFirst()).joined(separator: " ") }

    /// The settings as they go into a result file.
    var settings: [(name: String, value: String)] {
        [
            ("command", command), ("server", server), ("in_process", "\(inProcess)"), ("backends", backends),
            ("durability", durability), ("event_loops", "\(eventLoops)"),
            ("environment", environment.joined(separator: " ")), ("pinned", "\(pin)"), ("seconds", "\(seconds)"),
            ("warm_up", "\(warmUp)"), ("users", "\(users)"), ("collections", "\(collections)"), ("keys", "\(keys)"),
            ("loaded", "\(load)"), ("seed", "\(seed)"), ("unix_time", "\(time(nil))"),
        ]
    }
}
