namespace Llama.Grains.Settings;

/// <summary>
/// User and password of a directory that asks for them. Like the cluster key, they come from a file or from the environment, never from a
/// command line.
/// </summary>
/// <param name="User">The user.</param>
/// <param name="Password">The password.</param>
public sealed record DirectoryLogin(string User, string Password)
{
    /// <summary>The environment variable that may hold both, as <c>user:password</c>.</summary>
    public const string Variable = "LLAMA_DIRECTORY_LOGIN";

    /// <summary>Both, from the file if one is given, else from the environment; null where there are none.</summary>
    /// <param name="file">Path of a UTF-8 text file with <c>user:password</c>, or null.</param>
    /// <exception cref="InvalidDataException">The file cannot be read, or what was found has no colon; the message says which.</exception>
    public static DirectoryLogin? Load(string? file)
    {
        if (file is not null) return Parse($"--directory-login-file: '{file}'", SecretFile.Read("--directory-login-file", file));
        string? variable = Environment.GetEnvironmentVariable(Variable);
        return string.IsNullOrEmpty(variable) ? null : Parse(Variable, variable);
    }

    private static DirectoryLogin Parse(string origin, string text)
    {
        string login = text.Trim();
        int colon = login.IndexOf(':', StringComparison.Ordinal);
        return colon > 0
            ? new DirectoryLogin(login[..colon], login[(colon + 1)..])
            : throw new InvalidDataException($"{origin} holds no user and password; expected user:password");
    }

    /// <summary>Without the password: records are written to logs.</summary>
    public override string ToString() => $"{nameof(DirectoryLogin)} {{ User = {User} }}";
}
