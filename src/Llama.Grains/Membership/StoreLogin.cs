using Llama.Grains.Settings;

namespace Llama.Grains.Membership;

/// <summary>
/// User and password of a membership store. Like the cluster key, they come from a file or from the environment, never from a command line.
/// </summary>
/// <param name="User">The user.</param>
/// <param name="Password">The password.</param>
public sealed record StoreLogin(string User, string Password)
{
    /// <summary>The option that names a file with both.</summary>
    public const string Option = "--cluster-login-file";

    /// <summary>The environment variable that may hold both, as <c>user:password</c>.</summary>
    public const string Variable = "LLAMA_CLUSTER_LOGIN";

    /// <summary>Both, from the file if one is given, else from the environment; null where there are none.</summary>
    /// <param name="file">Path of a UTF-8 text file with <c>user:password</c>, or null.</param>
    /// <exception cref="InvalidDataException">The file cannot be read, or what was found has no colon; the message says which.</exception>
    public static StoreLogin? Load(string? file)
    {
        if (file is not null) return Parse($"{Option}: '{file}'", SecretFile.Read(Option, file));
        string? variable = Environment.GetEnvironmentVariable(Variable);
        return string.IsNullOrEmpty(variable) ? null : Parse(Variable, variable);
    }

    private static StoreLogin Parse(string origin, string text)
    {
        string login = text.Trim();
        int colon = login.IndexOf(':', StringComparison.Ordinal);
        return colon > 0
            ? new StoreLogin(login[..colon], login[(colon + 1)..])
            : throw new InvalidDataException($"{origin} holds no user and password; expected user:password");
    }

    /// <summary>Without the password: records are written to logs.</summary>
    public override string ToString() => $"{nameof(StoreLogin)} {{ User = {User} }}";
}
