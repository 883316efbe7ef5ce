using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Llama.Grains.Settings;

/// <summary>
/// The secret that the processes of a cluster share. It comes from a file or from the environment, never from a command line, which
/// every user of a machine can read.
/// </summary>
public static class ClusterKey
{
    /// <summary>The environment variable that may hold the key.</summary>
    public const string Variable = "LLAMA_CLUSTER_KEY";

    /// <summary>The least number of characters of a key.</summary>
    public const int MinimumLength = 16;

    /// <summary>The key, from the file if one is given, else from the environment; null where there is none.</summary>
    /// <param name="file">Path of a UTF-8 text file with the key, or null. White space around the key is not part of it.</param>
    /// <exception cref="InvalidDataException">The file cannot be read, or the key is too short; the message says which.</exception>
    public static byte[]? Load(string? file)
    {
        if (file is not null)
            return Check($"--cluster-key-file: '{file}'", SecretFile.Read("--cluster-key-file", file));
        string? variable = Environment.GetEnvironmentVariable(Variable);
        return string.IsNullOrEmpty(variable) ? null : Check(Variable, variable);
    }

    /// <summary>
    /// For the validation of an options record: what is wrong with the key, and a refusal to listen where others can connect if there
    /// is none.
    /// </summary>
    /// <param name="file">The file of the key, or null.</param>
    /// <param name="listen">Where the process is to listen, <c>host</c> or <c>host:port</c>.</param>
    /// <param name="listenMember">The property that says so.</param>
    public static IEnumerable<ValidationResult> Validate(string? file, string listen, string listenMember)
    {
        byte[]? key = null;
        string? fault = null;
        try
        {
            key = Load(file);
        }
        catch (InvalidDataException exception)
        {
            fault = exception.Message;
        }

        if (fault is not null)
            yield return new ValidationResult(fault);
        else if (key is null && HostPort.TryParse(listen, out HostPort address) && !address.IsLoopback)
        {
            yield return new ValidationResult(
                "can be reached from other machines, which needs a cluster key: "
                + $"put one in a file and name it with --cluster-key-file, or in the environment variable {Variable}",
                [listenMember]);
        }
    }

    private static byte[] Check(string origin, string text)
    {
        string key = text.Trim();
        return key.Length >= MinimumLength
            ? Encoding.UTF8.GetBytes(key)
            : throw new InvalidDataException($"{origin} holds a key of {key.Length} characters; expected at least {MinimumLength}");
    }
}
