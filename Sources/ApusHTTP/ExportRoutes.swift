import ApusCore
import ApusProtocol
import NIOCore
import Synchronization

/// Everything of a kind as a file, for the administrator.
enum ExportRoutes {
    static let all: [Route] = [Route(pattern: "/admin/export/{name}", access: .administrator, download: export)]

    private static func export(_ exchange: Exchange) throws(ApusError) -> Download {
        let query = try query(exchange)
        let (service, origin) = (exchange.service, exchange.origin)
        return Download(fileName: query.name, contentType: ExportText(query).contentType) { pipe in
            service.export(query, origin: origin, to: ExportPieces(of: query, for: pipe))
        }
    }

    private static func query(_ exchange: Exchange) throws(ApusError) -> ExportQuery {
        switch exchange.parameters[0] {
        case "users.json": return .users
        case "data.json":
            let filter = ExportQuery.RecordFilter(
                owner: try exchange.parameter("user_id"), collection: try exchange.parameter("collection"),
                includesTombstones: try exchange.isDeletedShown())
            return .records(filter)
        case "audit.csv":
            return .audit(try exchange.auditFilter())
        default: throw ApusError(.notFound, "there is users.json, data.json and audit.csv")
        }
    }
}

/// Makes pieces of rows, on the export's thread: not too small, for many owners have a few records each.
private final class ExportPieces: ExportSink {
    private struct State {
        var text: ExportText
        var piece = ByteBuffer()
    }

    private let pipe: DownloadPipe
    private let state: Mutex<State>

    private static let pieceBytesMin = 128 << 10

    init(of query: ExportQuery, for pipe: DownloadPipe) {
        self.pipe = pipe
        state = Mutex(State(text: ExportText(query)))
    }

    func take(_ rows: ExportRows) -> Bool {
        let piece: ByteBuffer? = state.withLock { state in
            state.text.write(rows, to: &state.piece)
            guard state.piece.readableBytes >= Self.pieceBytesMin else { return nil }
            defer { state.piece = ByteBufferAllocator().buffer(capacity: 2 * Self.pieceBytesMin) }
            return state.piece
        }
        return piece.map { pipe.give($0) } ?? pipe.isWanted
    }

    func end(_ outcome: Result<Void, ApusError>) {
        pipe.end(
            outcome.map { _ in
                state.withLock { state in
                    state.text.writeEnd(to: &state.piece)
                    return state.piece
                }
            })
    }
}
