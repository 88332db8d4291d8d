/// The version of this server, the one place where it is written.
public enum Version {
    public static let current = "0.1.0"
}
