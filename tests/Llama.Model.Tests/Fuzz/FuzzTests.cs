using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Llama.Tests;

namespace Llama.Model.Tests.Fuzz;

/// <summary>
/// No file does more than be read or refused: no other exception, no crash, no hang, no unbounded memory. The variable
/// <c>LLAMA_FUZZ_MINUTES</c> runs each reader for so long, <c>LLAMA_FUZZ_SEED</c> with other files. What is found lies in <c>fuzz</c> beside
/// the tests' program; mended, it goes into the corpus.
/// </summary>
public sealed class FuzzTests
{
    private const int Attempts = 300;
    private const long MostAllocated = 1L << 30;
    private const int MostFinds = 20;

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);
    private static readonly string Corpus = Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Fuzz", "corpus");
    private static readonly double Minutes = Option("LLAMA_FUZZ_MINUTES");

    public static TheoryData<string> Readers => [.. FuzzReader.Names];

    [Theory]
    [MemberData(nameof(Readers))]
    public void Read_FileThatWasFoundOnce_IsReadOrRefused(string name)
    {
        if (!Directory.Exists(Path.Combine(Corpus, name))) return;
        using var reader = FuzzReader.Create(name);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Corpus, name)).Order())
            Assert.Null(Run(reader, Path.GetFileName(file)[9..], File.ReadAllBytes(file)));
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public void Read_FileThatIsRight_IsRead(string name)
    {
        // Templates raise errors where conversations are not what they expect; they are tested elsewhere.
        if (name == "jinja") return;
        using var reader = FuzzReader.Create(name);
        foreach ((string file, byte[][] seeds) in reader.Files)
        {
            foreach (byte[] seed in seeds)
            {
                File.WriteAllBytes(reader.Folder[file], seed);
                reader.Read(reader.Folder.Path);
            }

            File.WriteAllBytes(reader.Folder[file], seeds[0]);
        }
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public async Task Read_MutatedFile_IsReadOrRefused(string name)
    {
        using var reader = FuzzReader.Create(name);
        var watch = Stopwatch.StartNew();
        var finds = new Dictionary<string, string>();
        (string File, byte[] Bytes, long Since) now = ("", [], 0);
        Task fuzzing = Task.Factory.StartNew(Fuzz, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        while (await Task.WhenAny(fuzzing, Task.Delay(1000, TestContext.Current.CancellationToken)) != fuzzing)
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref now.Since)) > Longest) Assert.Fail($"{name} hangs with {Save(name, now.File, now.Bytes)}");
        }

        await fuzzing;
        Assert.True(finds.Count == 0, string.Join("\n\n", finds.Values));

        void Fuzz()
        {
            (string File, FuzzMutator Mutator)[] mutators = [.. reader.Files.Select(file => (file.Key, new FuzzMutator(file.Value)))];
            int seed = (int)Option("LLAMA_FUZZ_SEED");
            int attempt = 0;
            for (; Minutes > 0 ? watch.Elapsed.TotalMinutes < Minutes && finds.Count < MostFinds : attempt < Attempts; attempt++)
            {
                var random = new Random(unchecked((seed * 1_000_003) + attempt));
                (string file, FuzzMutator mutator) = mutators[random.Next(mutators.Length)];
                byte[] bytes = mutator.Mutate(random);
                now = (file, bytes, Stopwatch.GetTimestamp());
                if (Run(reader, file, bytes) is { } fault && !finds.ContainsKey(PlaceOf(fault)))
                    finds[PlaceOf(fault)] = $"{Save(name, file, bytes)} (attempt {attempt}): {fault}";
            }

            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {attempt} files");
        }
    }

    private static string? Run(FuzzReader reader, string file, byte[] bytes)
    {
        string path = reader.Folder[file];
        File.WriteAllBytes(path, bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            reader.Read(reader.Folder.Path);
        }
        catch (Exception exception) when (!FuzzReader.IsRefusal(exception))
        {
            return exception.ToString();
        }
        catch (Exception)
        {
            // It was refused as it should be.
        }
        finally
        {
            File.WriteAllBytes(path, reader.Files[file][0]);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated > MostAllocated ? $"{allocated} bytes allocated" : null;
    }

    // Two faults at one place are one.
    private static string PlaceOf(string fault) => string.Join('\n', fault.Split('\n').Where((line, index) => index > 0 || !line.Contains(':')).Take(2));

    private static string Save(string name, string file, byte[] bytes)
    {
        string folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "fuzz", name)).FullName;
        string path = Path.Combine(folder, $"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..8]}-{file}");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static double Option(string variable) =>
        double.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : 0;
}
