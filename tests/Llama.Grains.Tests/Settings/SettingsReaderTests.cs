using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;
using Llama.Tests;

namespace Llama.Grains.Tests.Settings;

[Collection(ProcessEnvironment.Name)]
public sealed class SettingsReaderTests : IDisposable
{
    private readonly TemporaryFolder _programFolder = new();
    private readonly TemporaryFolder _currentFolder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public void Dispose()
    {
        _programFolder.Dispose();
        _currentFolder.Dispose();
    }

    [Fact]
    public void Read_NothingGiven_ReturnsDefaults()
    {
        SettingsResult<Sample> result = Read();

        Assert.Equal(new Sample(), result.Options);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("", _error.ToString());
    }

    [Fact]
    public void Read_EverySource_HigherOneWins()
    {
        using var variable = new EnvironmentVariable("Llama__MaxWaiting", "3");
        using var overridden = new EnvironmentVariable("Llama__Port", "1003");
        _programFolder.Write("appsettings.json", """{"Llama":{"Port":1001,"MaxWaiting":1,"Replicas":1,"ChatTemplate":"program"}}""");
        _currentFolder.Write("appsettings.json", """{"Llama":{"Port":1002,"MaxWaiting":2,"Replicas":2}}""");

        Sample options = Read("--port", "1004").Options!;

        Assert.Equal(1004, options.Port);
        Assert.Equal(3, options.MaxWaiting);
        Assert.Equal(2, options.Replicas);
        Assert.Equal("program", options.ChatTemplate);
    }

    [Fact]
    public void Read_EveryType_Binds()
    {
        Sample options = Read(
            "--chat-template=llama3", "--port=9000", "--max-bytes", "5000000000", "--rope-factor", "8.5", "--verbose",
            "--silo-wait", "2.5", "--recovery-timeout", "00:01:05", "--kv-memory", "2GiB", "--context", "4096").Options!;

        Assert.Equal("llama3", options.ChatTemplate);
        Assert.Equal(9000, options.Port);
        Assert.Equal(5_000_000_000, options.MaxBytes);
        Assert.Equal(8.5f, options.RopeFactor);
        Assert.True(options.Verbose);
        Assert.Equal(TimeSpan.FromSeconds(2.5), options.SiloWait);
        Assert.Equal(TimeSpan.FromSeconds(65), options.RecoveryTimeout);
        Assert.Equal(new ByteSize(2L << 30), options.KvMemory);
        Assert.Equal(4096, options.Context);
    }

    [Theory]
    [InlineData("--verbose", true)]
    [InlineData("--verbose=true", true)]
    [InlineData("--verbose=false", false)]
    public void Read_Switch_BareNameMeansTrue(string argument, bool expected) => Assert.Equal(expected, Read(argument).Options!.Verbose);

    [Fact]
    public void Read_JsonTypes_Bind()
    {
        _currentFolder.Write(
            "appsettings.json",
            """{"Llama":{"Verbose":true,"RopeFactor":32.0,"SiloWait":"00:00:05","ChatTemplate":null}}""");

        Sample options = Read().Options!;

        Assert.True(options.Verbose);
        Assert.Equal(32, options.RopeFactor);
        Assert.Equal(TimeSpan.FromSeconds(5), options.SiloWait);
        Assert.Null(options.ChatTemplate);
    }

    [Fact]
    public void Read_SeveralFaults_NamesAllWithValueSourceAndWhatIsAllowed()
    {
        using var variable = new EnvironmentVariable("Llama__Replicas", "65");
        _currentFolder.Write("appsettings.json", """{"Llama":{"MaxWaiting":"many","Context":[1,2]}}""");
        string file = Path.Combine(_currentFolder.Path, "appsettings.json");

        SettingsResult<Sample> result = Read("--port", "abc", "--verbose", "3", "--rope-factor", "NaN", "--kv-memory", "-1");

        Assert.Null(result.Options);
        Assert.Equal(2, result.ExitCode);
        Assert.Equal(
            [
                "--port: 'abc' is not allowed; expected an integer from 1 to 65535 (command line)",
                "--replicas: '65' is not allowed; expected an integer from 1 to 64 (environment, Llama__Replicas)",
                $"--max-waiting: 'many' is not allowed; expected an integer ({file})",
                "--rope-factor: 'NaN' is not allowed; expected a number (command line)",
                "--verbose: '3' is not allowed; expected true or false (command line)",
                "--kv-memory: '-1' is not allowed; expected a size in bytes or like 512MiB from 1KiB to 1TiB (command line)",
                $"--context: a list or section is not allowed; expected an integer ({file})",
            ],
            Faults());
    }

    [Fact]
    public void Read_LowerSourceIsWrongButOverridden_IsNoFault()
    {
        using var variable = new EnvironmentVariable("Llama__Port", "abc");

        Assert.Equal(1234, Read("--port=1234").Options!.Port);
    }

    [Fact]
    public void Read_UnknownOption_NamesTheNearest()
    {
        Read("--prot", "9000", "--quantum-flux", "extra", "--port", "5", "--PORT=2");

        Assert.Equal(
            [
                "--prot: is unknown; did you mean --port? (command line)",
                "--quantum-flux: is unknown (command line)",
                "--PORT: is unknown; did you mean --port? (command line)",
            ],
            Faults());
    }

    [Fact]
    public void Read_StrayArgumentMissingValueAndRepetition_AreNamed()
    {
        Read("stray", "--port", "--replicas", "1", "--replicas", "2", "--chat-template=");

        Assert.Equal(
            [
                "'stray': belongs to no option (command line)",
                "--port: has no value; expected an integer from 1 to 65535 (command line)",
                "--replicas: is given 2 times; expected once (command line)",
                "--chat-template: has no value; expected text (command line)",
            ],
            Faults());
    }

    [Fact]
    public void Read_OptionsOfOtherPrograms_AreUnknownOnTheCommandLineOnly()
    {
        using var variable = new EnvironmentVariable("Llama__Advertise", "node-7");
        _currentFolder.Write(
            "appsettings.json",
            """{"Llama":{"Gateway":"http://node-1:8080"},"Logging":{"LogLevel":{"Default":"Debug"}}}""");

        Assert.NotNull(Read().Options);
        Assert.Null(Read("--gateway", "http://node-1:8080").Options);
    }

    [Fact]
    public void Read_RequiredOptionIsMissing_NamesIt()
    {
        var result = SettingsReader.Read<Demanding>([], [], _output, _error);

        Assert.Equal(2, result.ExitCode);
        Assert.Equal(["--model: is missing; expected a folder or a .gguf file that exists"], Faults());
    }

    [Fact]
    public void Read_OptionsContradictEachOther_NamesTheFirstMember()
    {
        Read("--replicas", "3", "--port", "3");

        Assert.Equal(["--replicas: '3' must not equal the port (command line)"], Faults());
    }

    [Fact]
    public void Read_ContradictionWithFaultyOption_IsNotReported()
    {
        Read("--replicas", "3", "--port", "x");

        Assert.Equal(["--port: 'x' is not allowed; expected an integer from 1 to 65535 (command line)"], Faults());
    }

    [Theory]
    [InlineData("{\"Llama\":{\"Port\":")]
    [InlineData("[]")]
    public void Read_FileIsNoJsonObject_NamesIt(string content)
    {
        _currentFolder.Write("appsettings.json", content);

        Assert.Equal(2, Read().ExitCode);
        Assert.StartsWith(Path.Combine(_currentFolder.Path, "appsettings.json") + ": ", Assert.Single(Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Help_ListsOptionsWithDescriptionDefaultAndVariable()
    {
        SettingsResult<Sample> result = Read("--help", "--port", "nonsense");

        Assert.Equal(new SettingsResult<Sample>(null, 0), result);
        string help = _output.ToString();
        Assert.Contains("A sample program.", help, StringComparison.Ordinal);
        Assert.Matches(@"--port <number> +Port to listen on\. Environment: Llama__Port\. \[default: 8080\]", help);
        Assert.Matches(@"--kv-memory <size> +Memory\. Environment: Llama__KvMemory\. \[default: 1GiB\]", help);
        Assert.Matches(@"--chat-template <text> +Template\. Environment: Llama__ChatTemplate\.\r?\n", help);
        Assert.Equal("", _error.ToString());
    }

    [Theory]
    [InlineData]
    [InlineData("make")]
    public void Read_Version_PrintsItAndEnds(params string[] words)
    {
        SettingsResult<Sample> result = SettingsReader.Read<Sample>(
            ["--version"], [_programFolder.Path, _currentFolder.Path], _output, _error, words);

        Assert.Equal(new SettingsResult<Sample>(null, 0), result);
        Assert.Matches(@"^\d+\.\d+\.\d+", _output.ToString());
    }

    [Fact]
    public void Read_HelpOfACommand_NamesTheCommand()
    {
        SettingsResult<Sample> result = SettingsReader.Read<Sample>(
            ["--help"], [_programFolder.Path, _currentFolder.Path], _output, _error, "keys", "add");

        Assert.Equal(new SettingsResult<Sample>(null, 0), result);
        string help = _output.ToString();
        Assert.Matches(@"Usage:\s+\S+ keys add \[options\]", help);
        Assert.Contains("A sample program.", help, StringComparison.Ordinal);
        Assert.Matches(@"--port <number> +Port to listen on\. Environment: Llama__Port\. \[default: 8080\]", help);
    }

    [Fact]
    public void Read_FaultsOfACommand_NameTheCommand()
    {
        SettingsReader.Read<Sample>(["--prt", "1"], [_programFolder.Path, _currentFolder.Path], _output, _error, "make");

        Assert.StartsWith($"{typeof(Sample).Assembly.GetName().Name} make cannot start:", _error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["--prt: is unknown; did you mean --port? (command line)"], Faults());
    }

    private SettingsResult<Sample> Read(params string[] args)
        => SettingsReader.Read<Sample>(args, [_programFolder.Path, _currentFolder.Path], _output, _error);

    /// <summary>The lines between the heading and the hint.</summary>
    private string[] Faults()
        => [.. from line in _error.ToString().Split(Environment.NewLine)
               where line.StartsWith("  ", StringComparison.Ordinal)
               select line[2..]];

    [Description("A sample program.")]
    internal sealed record Sample : IValidatableObject
    {
        [Description("Port to listen on."), Range(1, 65535)]
        public int Port { get; init; } = 8080;

        [Description("Copies."), Range(1, 64)]
        public int Replicas { get; init; } = 1;

        [Description("Requests that may wait.")]
        public int MaxWaiting { get; init; } = 256;

        [Description("Bytes.")]
        public long MaxBytes { get; init; }

        [Description("Factor.")]
        public float? RopeFactor { get; init; }

        [Description("Details.")]
        public bool Verbose { get; init; }

        [Description("Wait.")]
        public TimeSpan SiloWait { get; init; } = TimeSpan.FromSeconds(15);

        [Description("Recovery.")]
        public TimeSpan RecoveryTimeout { get; init; } = TimeSpan.FromSeconds(60);

        [Description("Memory."), Range(typeof(ByteSize), "1KiB", "1TiB")]
        public ByteSize KvMemory { get; init; } = new(1L << 30);

        [Description("Context.")]
        public int? Context { get; init; }

        [Description("Template.")]
        public string? ChatTemplate { get; init; }

        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
        {
            if (Replicas == Port || (Replicas == 3 && Port == 8080))
                yield return new ValidationResult("must not equal the port", [nameof(Replicas), nameof(Port)]);
        }
    }

    internal sealed record Demanding
    {
        [Description("Folder."), Required, ExistingCheckpoint]
        public string Model { get; init; } = "";
    }
}
