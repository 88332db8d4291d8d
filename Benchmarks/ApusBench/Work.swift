/// A storage and how durably it writes.
struct Variant: Hashable, CustomStringConvertible {
    let backend: String
    /// `full`, `normal`, or `none` for what keeps nothing.
    let durability: String

    var description: String { durability == "none" ? backend : "\(backend) \(durability)" }
}

/// A kind of work a server can be put to.
enum Work: Hashable {
    case load
    case upsert(size: Int)
    case single(clients: Int)
    case read(clients: Int)
    case list(clients: Int, limit: Int)
    case mixed(clients: Int, listeners: Int)
    case resume(sockets: Int, changes: Int)
    case fanOut(sockets: Int, underWay: Int, rate: Double?)
    case fanOutBurst(sockets: Int, changes: Int, size: Int)
    case idle(sockets: Int)
    case slow(SlowReading)
    case scopes(sockets: Int, subscribed: Int, underWay: Int)

    /// What its row is called.
    var name: String {
        switch self {
        case .load: "load"
        case .upsert(let size): "upsert by \(size), 1 client"
        case .single(let clients): "upsert single, \(Self.counted(clients, "client"))"
        case .read(let clients): "read, \(Self.counted(clients, "client"))"
        case .list(let clients, let limit): "list \(limit), \(Self.counted(clients, "client"))"
        case .mixed(let clients, _): "mixed, \(Self.counted(clients, "client"))"
        case .resume(let sockets, let changes): "resume \(changes) missed, \(Self.counted(sockets, "socket"))"
        case .fanOut(let sockets, let underWay, let rate):
            "fan-out \(sockets), \(underWay) under way" + (rate.map { " at \(decimal($0, places: 0))/s" } ?? "")
        case .fanOutBurst(let sockets, let changes, _): "fan-out \(sockets), \(changes) verified"
        case .idle(let sockets): "idle, \(Self.counted(sockets, "socket"))"
        case .slow(let reading): reading.name
        case .scopes(let sockets, let subscribed, let underWay):
            "scopes \(subscribed) of \(sockets), \(underWay) under way"
        }
    }

    /// The arguments that do this work alone.
    var command: String {
        switch self {
        case .load, .upsert: sizeCommand
        case .single(let clients): "upsert --clients \(clients)"
        case .read(let clients): "read --clients \(clients)"
        case .list(let clients, let limit): "list --clients \(clients) --limit \(limit)"
        case .mixed(let clients, let listeners): "mixed --clients \(clients) --listeners \(listeners)"
        case .resume(let sockets, let changes): "resume --sockets \(sockets) --changes \(changes)"
        case .fanOut(let sockets, let underWay, let rate):
            "fanout --sockets \(sockets) --under-way \(underWay)"
                + (rate.map { " --rate \(decimal($0, places: 0))" } ?? "")
        case .fanOutBurst(let sockets, let changes, let size):
            "fanout --sockets \(sockets) --changes \(changes) --size \(size)"
        case .idle(let sockets): "idle --sockets \(sockets)"
        case .slow(let reading): reading.command
        case .scopes(let sockets, let subscribed, let underWay):
            "scopes --sockets \(sockets) --subscribed \(subscribed) --under-way \(underWay)"
        }
    }

    /// Whether it works on records that must have been written before.
    var needsLoad: Bool {
        switch self {
        case .upsert, .single, .read, .list, .mixed: true
        case .load, .resume, .fanOut, .fanOutBurst, .idle, .slow, .scopes: false
        }
    }

    /// Whether it is about sockets, so that there is nothing of it inside a process.
    var needsSockets: Bool {
        switch self {
        case .load, .upsert, .single, .read, .list, .mixed, .resume: false
        case .fanOut, .fanOutBurst, .idle, .slow, .scopes: true
        }
    }

    private var sizeCommand: String {
        if case .upsert(let size) = self { "upsert --sizes \(size)" } else { "upsert" }
    }

    private static func counted(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }
}

/// A subject that is put to work, one kind after the other.
protocol Trial: AnyObject {
    /// Does the work and says, in one row or more, what came of it.
    func rows(of work: Work) throws -> [Row]
}

/// How often each kind of request of the mixed work comes, of 100.
enum Mix {
    static let reads = 80
    static let writes = 15
    static let lists = 5
    static let listLimit = 100
}
