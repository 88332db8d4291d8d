import ApusCore
import NIOHTTP1

/// One thing the server answers, as a plain value.
struct Route: Sendable {
    /// Who may ask.
    enum Access: Sendable {
        case everyone
        /// A token's user; the first path parameter, if there is one, names the owner and must be that user.
        case user
        /// The administrator's key or login, from an allowed address.
        case administrator
    }

    /// What becomes of a request.
    enum Handler: Sendable {
        /// It is answered, at once or later.
        case answer(@Sendable (Exchange) throws(ApusError) -> Void)
        /// Its connection becomes an event stream. The token may stand in the URL, as browsers' `EventSource` sends no
        /// headers of ours.
        case stream(@Sendable (Exchange) throws(ApusError) -> StreamOpening)
        /// Its connection becomes an administrator's stream of all changes.
        case tail(@Sendable (Exchange) throws(ApusError) -> TailFilter)
        /// It is answered piece by piece, as the client takes it.
        case download(@Sendable (Exchange) throws(ApusError) -> Download)
    }

    var method: HTTPMethod
    /// Segments, parameters in braces: `/v1/data/{user}`.
    var pattern: String
    var access: Access
    /// Whether its first path parameter is the owner.
    var namesOwner: Bool
    /// Whether it reads a body, which is JSON.
    var takesBody: Bool
    var handler: Handler
    /// Its place among all routes, for what is counted of it; from ``RouteTable/firstNumber`` on.
    var number = 0

    init(
        method: HTTPMethod, pattern: String, access: Access, takesBody: Bool = false,
        handle: @escaping @Sendable (Exchange) throws(ApusError) -> Void
    ) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.takesBody = takesBody
        handler = .answer(handle)
        namesOwner = pattern.contains("{user}")
    }

    /// `GET` of an event stream.
    init(pattern: String, stream: @escaping @Sendable (Exchange) throws(ApusError) -> StreamOpening) {
        self.init(method: .GET, pattern: pattern, access: .user) { _ in }
        handler = .stream(stream)
    }

    /// `GET` of an administrator's stream.
    init(pattern: String, tail: @escaping @Sendable (Exchange) throws(ApusError) -> TailFilter) {
        self.init(method: .GET, pattern: pattern, access: .administrator) { _ in }
        handler = .tail(tail)
    }

    /// `GET` of what is made piece by piece.
    init(
        pattern: String, access: Access, download: @escaping @Sendable (Exchange) throws(ApusError) -> Download
    ) {
        self.init(method: .GET, pattern: pattern, access: access) { _ in }
        handler = .download(download)
    }

    /// Whether it opens a user's stream.
    var opensStream: Bool {
        switch handler {
        case .answer, .download, .tail: false
        case .stream: true
        }
    }
}

/// Finds the route of a method and path; built once, then only read.
struct RouteTable: Sendable {
    enum Match {
        case found(Route, parameters: [String])
        /// The path is known, but not with this method.
        case otherMethods([HTTPMethod])
        case none

        /// Whether what was found is for administrators, wherever it is.
        var isAdministrators: Bool {
            if case .found(let route, _) = self, case .administrator = route.access { true } else { false }
        }
    }

    private struct Node: Sendable {
        var children: [String: Int] = [:]
        var parameter: Int?
        var routes: [Route] = []
    }

    private var nodes = [Node()]

    /// What is counted of requests without a route.
    static let noNumber = 0
    /// What is counted of requests to become a WebSocket, which have no route.
    static let socketNumber = 1
    static let firstNumber = 2

    init(_ routes: [Route]) {
        for (number, route) in zip(Self.firstNumber..., routes) {
            var route = route
            route.number = number
            insert(route)
        }
    }

    private mutating func insert(_ route: Route) {
        var current = 0
        for part in route.pattern.split(separator: "/") {
            let isParameter = part.hasPrefix("{")
            let known = isParameter ? nodes[current].parameter : nodes[current].children[String(part)]
            let next = known ?? nodes.count
            if known == nil {
                nodes.append(Node())
                if isParameter {
                    nodes[current].parameter = next
                } else {
                    nodes[current].children[String(part)] = next
                }
            }
            current = next
        }
        nodes[current].routes.append(route)
    }

    func match(_ method: HTTPMethod, _ segments: [String]) -> Match {
        let wanted = method == .HEAD ? .GET : method
        var methods: [HTTPMethod] = []
        var found: Match?
        visit(segments[...], from: 0, parameters: []) { routes, parameters in
            guard let route = routes.first(where: { $0.method == wanted }) else {
                methods += routes.map(\.method)
                return false
            }
            found = .found(route, parameters: parameters)
            return true
        }
        if let found { return found }
        guard !methods.isEmpty else { return .none }
        if methods.contains(.GET) { methods.append(.HEAD) }
        methods.append(.OPTIONS)
        return .otherMethods(methods)
    }

    /// Shows `isWanted` the routes of every pattern that fits, words before parameters, until it says yes: a user may
    /// be called like a word of another route.
    @discardableResult
    private func visit(
        _ rest: ArraySlice<String>, from node: Int, parameters: [String], _ isWanted: ([Route], [String]) -> Bool
    ) -> Bool {
        guard let segment = rest.first else { return isWanted(nodes[node].routes, parameters) }
        if let next = nodes[node].children[segment],
            visit(rest.dropFirst(), from: next, parameters: parameters, isWanted)
        {
            return true
        }
        guard let next = nodes[node].parameter else { return false }
        return visit(rest.dropFirst(), from: next, parameters: parameters + [segment], isWanted)
    }
}
