@testable import ServerTests

extension Session.Happening {
    /// What a frame of the server says.
    init(_ frame: JSON) {
        let id = frame["id"].int
        let sequence = frame["seq"].int
        self = .strange(String(frame.raw.prefix(300)))
        switch frame["type"].text {
        case "hello":
            if let sequence, let epoch = frame["epoch"].text { self = .hello(epoch: epoch, sequence: sequence) }
        case "data.updated", "data.deleted":
            let record = frame["data"]
            guard let state = try? State(record), let user = record["user_id"].text, sequence == state.sequence,
                (frame["type"].text == "data.deleted") == (state.value == nil)
            else { return }
            let isExpiry = frame["reason"].text == "expired"
            self = .event(Session.Event(user: user, state: state, isExpiry: isExpiry))
        case "current": if let sequence { self = .current(id: id, sequence: sequence) }
        case "reset": if let reason = frame["reason"].text { self = .reset(id: id, reason: reason) }
        case "ack": if let id { self = .acknowledged(id: id, sequence: sequence) }
        default: break
        }
    }
}

extension Scope {
    /// As parameters of a URL.
    var query: String {
        var text = ""
        for (name, value) in [("collection", collection), ("key", key), ("prefix", prefix)] {
            if let value { text += "&\(name)=\(encoded(value))" }
        }
        return text
    }

    /// As further members of a frame.
    var members: String {
        var text = ""
        for (name, value) in [("collection", collection), ("key", key), ("prefix", prefix)] {
            if let value { text += ",\"\(name)\":\(JSON.quoted(value))" }
        }
        return text
    }
}
