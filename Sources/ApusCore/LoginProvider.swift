/// A name and a password, as somebody gave them.
public struct Login: Sendable {
    public let name: String
    public let password: Secret

    public init(name: String, password: Secret) {
        self.name = name
        self.password = password
    }
}

/// Whether somebody is the administrator, who logs in with a name and a password.
public protocol LoginProvider: Sendable {
    /// The right name. It is no secret: the audit log has it.
    var name: String { get }

    /// Whether this login was found right a short while ago; `false` says nothing about it. Never blocks.
    func remembers(_ login: Login) -> Bool

    /// Answers whether the login is right.
    ///
    /// That takes its time, so that guessing does: it happens on a thread of its own, one login after the other, and
    /// the answer is given there, before the next login is looked at.
    ///
    /// - Parameter admit: asked right before the login is looked at; what it throws is the answer then.
    /// - Throws: in the answer, `overloaded` when too many wait.
    func verify(
        _ login: Login, admit: @escaping @Sendable () throws(ApusError) -> Void, then: @escaping Completion<Bool>)
}

/// What a stranger may try to guess.
public enum GuessedSecret: String, Sendable {
    case token
    /// The administrator's.
    case key
    /// The administrator's.
    case password
}
