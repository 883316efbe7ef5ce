using System.Security.Cryptography;
using Llama.Grains.Certificates;
using Llama.Grains.Settings;

namespace Llama.Tool;

/// <summary>
/// <c>llama certify FOLDER [NAME...]</c>: makes an authority for one cluster, and for each machine a folder to copy there and to
/// name with <c>--tls</c>. Called again with other names, it makes their folders under the same authority.
/// </summary>
internal static class CertifyCommand
{
    /// <summary>Where the authority is kept. Of it the machines need only the certificate, which each folder has.</summary>
    private const string AuthorityFolder = "authority";

    private const int LongestName = 64;

    private const string Usage = """
        llama certify FOLDER [NAME...]
          makes a certificate authority in FOLDER/authority, or takes the one that is there, and for each machine,
          by its name or address, a folder FOLDER/NAME for --tls: ca.pem, node.pem, node.key.
          Names: gateway and localhost, if none is given. Nothing is ever overwritten.
        """;

    private static readonly string[] DefaultNames = ["gateway", "localhost"];

    /// <summary>Runs the command.</summary>
    /// <param name="args">The folder and the names.</param>
    /// <param name="output">Told what was made.</param>
    /// <param name="error">Told what is wrong.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> args, TextWriter output, TextWriter error)
    {
        if (args is ["--help" or "-h" or "-?"])
        {
            output.WriteLine(Usage);
            return 0;
        }

        string[] names = args.Count > 1 ? [.. args.Skip(1).Distinct(StringComparer.OrdinalIgnoreCase)] : DefaultNames;
        string[] wrong = [.. names.Where(name => !IsName(name))];
        foreach (string name in wrong)
            error.WriteLine($"'{name}' is not allowed; expected the name or address of a machine, of at most {LongestName} characters");
        if (args.Count == 0 || args[0].StartsWith('-') || wrong.Length > 0)
        {
            error.WriteLine(Usage);
            return SettingsReader.FaultExitCode;
        }

        try
        {
            if (names.Select(name => Path.Combine(args[0], name)).FirstOrDefault(Path.Exists) is { } taken)
                throw new IOException($"'{taken}' is there already, and nothing is overwritten; expected a new name.");
            CertificateAuthority authority =
                CertificateAuthority.Open(Path.Combine(args[0], AuthorityFolder), "Llama cluster authority", TimeProvider.System);
            foreach (string name in names)
            {
                string folder = Path.Combine(args[0], name);
                authority.Issue(folder, name);
                output.WriteLine($"{name}: --tls {folder}");
            }

            string key = Path.Combine(args[0], AuthorityFolder, CertificateAuthority.KeyFile);
            output.WriteLine($"With {key} anybody can make members: keep it off the machines.");
            return 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            error.WriteLine($"No certificates: {exception.Message}");
            return 1;
        }
    }

    private static bool IsName(string name) => name.Length <= LongestName && name != AuthorityFolder && !name.StartsWith('-')
        && HostPort.TryParse(name, out HostPort host) && host is { Port: null, IsEveryInterface: false } && host.Host == name;
}
