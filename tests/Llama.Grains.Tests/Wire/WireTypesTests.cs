using System.CodeDom.Compiler;
using System.Net;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Llama.Grains.Answers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Stages;
using Llama.Grains.Text;
using Llama.Grains.Wire;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Llama.Model.Grammars;
using Llama.Model.Kernels;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Serialization.Invocation;

namespace Llama.Grains.Tests.Wire;

/// <summary>
/// What processes of different versions must understand of each other. The golden bytes change only with a new field or type; those of
/// released versions are read for ever.
/// </summary>
public sealed class WireTypesTests : IDisposable
{
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly Grains = typeof(Member).Assembly;

    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static readonly GeneratedToken Token =
        new(new TokenLogprob(7, -0.25f), [new TokenLogprob(7, -0.25f), new TokenLogprob(8, float.NegativeInfinity)], FinishReason.Length, 3, new byte[] { 4, 5 });

    private static readonly AnswerGrammar Grammar = new(GrammarKind.Choice, """["yes","no"]""", true);

    private static readonly TokenRules Rules = new()
    {
        PresencePenalty = 0.5f,
        FrequencyPenalty = -0.25f,
        RepetitionPenalty = 1.25f,
        PenaltyRange = 64,
        Biases = [new TokenBias(70_000, -100)],
        AllowedTokens = [3, 4],
        BadWords = [[7], [8, 9]],
        MinTokens = 2,
    };

    private static readonly GenerationRequest Request = new()
    {
        PromptTokens = [1, 2, 70_000],
        ResumedTokens = [Token with { Finish = null }],
        MaxTokens = 40,
        Sampling = new SamplingParameters { Temperature = 0.5f, TopK = 40, TopP = 0.95f, MinP = 0.05f },
        Seed = ulong.MaxValue,
        IgnoreEndTokens = true,
        TopLogprobs = 2,
        Priority = -1,
        Timeout = TimeSpan.FromSeconds(1.5),
        Client = "ann",
        Session = "s-1",
        IsResubmitted = true,
        Grammar = Grammar,
        TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        Rules = Rules,
        StopTokens = [5, 128_009],
        CacheSalt = "salt",
        PromptLogprobs = 3,
        Pooling = Pooling.Last,
    };

    private static readonly Guid Id = new("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly SiloProcess Silo = new("silo-1", "a1");
    private static readonly ModelShape Shape = new("stories", "f00d", 256, 32_000, new SamplingParameters { Temperature = 0.6f, TopP = 0.9f });
    private static readonly TemplateFacts Template = new("llama3", true, [128_009], new ReasoningMarks("<think>", "</think>", 5, null), new ToolForm(ToolFormKind.Tagged, true, false, [new TokenMark(7, "<tool_call>")]));
    private static readonly TextFault Refusal = new(TextError.Overloaded, "1024 texts wait to be tokenized.");

    private static readonly object[] Values =
    [
        new Member
        {
            Name = "silo-1",
            Address = "10.0.0.1:4000",
            ProcessId = 17,
            Instance = "a1",
            Threads = 8,
            Rates = new MachineRates(8e9, 5e10),
            MemoryBytes = 1L << 40,
            LogMemoryBytes = 1 << 20,
            Profile = "cpu",
            LastEpoch = 65_537,
            Drained = true,
            SharedMemory = "m7",
            IsMemoryGiven = true,
            KvBlockBytes = 4096,
            LogBlockBytes = 8192,
            ActivationBytes = 1 << 20,
            RepeatsShapes = true,
            WeightElementBytes = 2,
        },
        new MachineRatesOnTheWire { BytesPerSecond = 8e9, OperationsPerSecond = 5e10 },
        new SamplingOnTheWire { Temperature = 0.5f, TopK = 40, TopP = 0.95f, MinP = 0.05f },
        new TokenLogprobOnTheWire { Token = 7, LogProbability = -0.25f },
        new StageAssignment
        {
            Epoch = 65_538,
            FirstLayer = 2,
            EndLayer = 4,
            KvBlocks = 400,
            Logs = [2, 3],
            Lineage = 5,
            Inherits = 4,
            Carried = [8, 1],
            NextAddress = "10.0.0.2:4000",
            Ticket = Id,
            NextTicket = new Guid("ffeeddcc-bbaa-9988-7766-554433221100"),
            Owner = SiloAddress.New(new IPEndPoint(0x0100000A, 11111), 7),
        },
        new StageReport(1L << 33, 2, 4, [3], 70, 256),
        new StageException("silo-1 has no such file."),
        new DrainMark("a1", true),
        Silo,
        new RecordPart("a", 3, new byte[] { 1, 2, 255 }),
        new RecordPlace("a", 98_304),
        new RecordPage(5, new byte[] { 4, 5 }),
        Grammar,
        Request,
        Rules,
        new TokenBiasOnTheWire { Token = 7, Addend = -0.25f },
        Token,
        new GatewaySummary("The silos are loading their layers.", 256),
        new GatewayReport(new SiloProcess("gateway-1", "b2"), new GatewaySummary(null, 256), Silo, [Silo, new SiloProcess("silo-2", "a2")], true),
        new ClusterChange(ClusterChangeKind.Rebalance, "silo-1"),
        new ClusterChangeFault(ClusterChangeError.Unavailable, "Another change is in flight."),
        new FrontAttachment(Id, "f00d"),
        new Submission(Id, 12, Request),
        new SubmittedRequest(Id, 12),
        new TokenBatch(new byte[] { 1, 0, 0, 0, 0 }),
        Shape,
        Template,
        new TextFacts([2, 128_009], Template, true, 1_900_000),
        new ModelDescription("0A1B", Shape, new TextFacts([2], null, false, 7)),
        new VocabularyPlace("0A1B", 262_144),
        new VocabularyPage(new byte[] { 3, 32 }),
        new TextToEncode("0A1B", "Once upon", true, [new ChatMessage("user", "Hi")], new ChatOptions { AddGenerationPrompt = false }),
        new EncodedText([1, 70_000], Refusal),
        Refusal,
        new ChatMessageOnTheWire { Role = "user", Content = "Hi", More = """{"name":"ann"}""" },
        new ReasoningMarksOnTheWire { Begin = "<think>", End = "</think>", BeginToken = 5 },
        new ToolFormOnTheWire { Kind = 2, IsOwn = true, TakesSeveral = true, MarkTokens = [128_010], MarkTexts = ["<|python_tag|>"] },
        new ChatOptionsOnTheWire { Tools = "[]", Variables = """{"x":1.50}""", AddGenerationPrompt = true, ContinueFinalMessage = true },
    ];

    private readonly ServiceProvider services =
        new ServiceCollection().AddSerializer(builder => builder.AddAssembly(Grains)).AddModelTypes().BuildServiceProvider();

    public static TheoryData<string> Types => [.. WireTypes().Select(Alias)];

    private Serializer Serializer => services.GetRequiredService<Serializer>();

    public void Dispose() => services.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void Serialize_ValueOfEveryType_HasTheGoldenBytes(string alias) =>
        Assert.Equal(Golden()[alias], Convert.ToHexString(Serializer.SerializeToArray(Value(alias))));

    [Theory]
    [MemberData(nameof(Types))]
    public void Deserialize_GoldenBytes_AreAnEqualValue(string alias)
    {
        object value = Serializer.Deserialize<object>(Convert.FromHexString(Golden()[alias]))!;
        Assert.Equal(Value(alias).GetType(), value.GetType());
        Assert.Equal(Text(Value(alias)), Text(value));
    }

    [Fact]
    public void GoldenBytes_AreOfTheTypesThatThereAre() => Assert.Equal(WireTypes().Select(Alias).Order(), Golden().Keys.Order());

    [Fact]
    public void WireTypes_Fields_HaveOneIdEach()
    {
        foreach (Type type in WireTypes())
        {
            MemberInfo[] fields =
            [
                .. type.GetFields(Instance).Where(field => !field.Name.StartsWith('<')),
                .. type.GetProperties(Instance).Where(property => type.GetField($"<{property.Name}>k__BackingField", Instance) is not null),
            ];
            uint[] ids = [.. fields.Select(field => field.GetCustomAttribute<IdAttribute>()?.Id ?? uint.MaxValue)];
            Assert.DoesNotContain(uint.MaxValue, ids);
            Assert.True(ids.Distinct().Count() == ids.Length, $"{type.Name} has an id twice.");
        }
    }

    [Fact]
    public void Aliases_TypesInterfacesAndMethods_HaveOneOfTheirOwn()
    {
        Type[] interfaces = [.. Grains.GetTypes().Where(type => type.IsInterface && type.IsAssignableTo(typeof(IGrain)))];
        Assert.NotEmpty(interfaces);
        AssertDistinct([.. WireTypes().Concat(interfaces).Select(Alias)]);
        foreach (Type type in interfaces)
        {
            MethodInfo[] methods = type.GetMethods();
            Assert.NotEmpty(methods);
            AssertDistinct([.. methods.Select(Alias)]);
        }
    }

    /// <summary>Lists that the compiler makes of a collection expression have no codec of their own; as parts of others they have.</summary>
    [Fact]
    public void Serialize_AnswersThatAreLists_AreReadBack()
    {
        IReadOnlyList<int> lengths = new AnswerStore(TimeProvider.System).Append([new RecordPart("a", 0, new byte[3])]);
        byte[] bytes = Serializer.SerializeToArray(Response.FromResult(lengths));
        Assert.Equal([3], Serializer.Deserialize<Response>(bytes)!.GetResult<IReadOnlyList<int>>());

        List<GeneratedToken> tokens = [Token];
        GenerationRequest request = Request with { ResumedTokens = [.. tokens] };
        Assert.Equal(Text(request), Text(Serializer.Deserialize<GenerationRequest>(Serializer.SerializeToArray(request))!));
    }

    /// <summary>Values of JSON keep their digits, and members their order.</summary>
    [Fact]
    public void Serialize_ConversationWithJson_IsReadBack()
    {
        var message = new ChatMessage("tool", "22 °C")
        {
            More = new Dictionary<string, JsonElement>
            {
                ["name"] = JsonElement.Parse("\"weather\""), ["content"] = JsonElement.Parse("[1, null]"),
            },
        };
        var options = new ChatOptions
        {
            Tools = JsonElement.Parse("""[{"type":"function"}]"""),
            Variables = new Dictionary<string, JsonElement> { ["pi"] = JsonElement.Parse("3.140") },
            ContinueFinalMessage = true,
        };
        var request = new TextToEncode("0A1B", null, false, [message, new ChatMessage("user", "Hi")], options);

        TextToEncode read = Serializer.Deserialize<TextToEncode>(Serializer.SerializeToArray(request))!;

        Assert.Equal(Text(request), Text(read));
        Assert.Equal("3.140", read.Options!.Variables["pi"].GetRawText());
        Assert.Equal(["name", "content"], read.Messages[0].More.Keys);
    }

    private static void AssertDistinct(string[] aliases)
    {
        Assert.DoesNotContain("", aliases);
        Assert.Equal(aliases.Distinct(), aliases);
    }

    private static IEnumerable<Type> WireTypes() => Grains.GetTypes().Where(
        type => type.GetCustomAttribute<GenerateSerializerAttribute>() is not null
            && type.GetCustomAttribute<GeneratedCodeAttribute>() is null);

    private static string Alias(MemberInfo member) => member.GetCustomAttribute<AliasAttribute>()?.Alias ?? "";

    private static object Value(string alias) => Values.Single(value => Alias(value.GetType()) == alias);

    private static string Text(object value) =>
        value is Exception e ? $"{e.GetType()}: {e.Message}" : JsonSerializer.Serialize(value, value.GetType(), Json);

    private static Dictionary<string, string> Golden()
    {
        using var reader = new StreamReader(typeof(WireTypesTests).Assembly.GetManifestResourceStream("wire-types.txt")!);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => words[1]);
    }
}
