using Llama.Gateway.Api;
using Llama.Gateway.Api.Embeddings;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Rpc;
using Llama.Grains.Certificates;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Grains.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Machine;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.ServiceDefaults;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Llama.Gateway;

/// <summary>
/// Puts the gateway process together: the model's configuration and tokenizer, or for a front the way to them; the pipelines, its own or the
/// cluster's; HTTP.
/// </summary>
internal static partial class GatewayHost
{
    private const int MaxConnections = 4096;

    /// <summary>With fewer a gateway is not worth its start; some of them go to its own links, and to assemblies that are not loaded yet.</summary>
    private const int LeastConnections = 32;

    /// <summary>With fewer there are no metrics to scrape: who measures takes assemblies, two descriptors each, which clients could have.</summary>
    private const int DescriptorsForMetrics = 512;

    /// <summary>What the host's end may take after the last answer.</summary>
    private static readonly TimeSpan HostEnd = TimeSpan.FromSeconds(5);

    /// <summary>A client of HTTP/2 that has said nothing for so long is asked whether it is there.</summary>
    private static readonly TimeSpan Http2Silence = TimeSpan.FromSeconds(30);

    private static bool HasDescriptorsForMetrics => Descriptors.Limit is not < DescriptorsForMetrics;

    /// <summary>Serves until the process is told to stop.</summary>
    /// <exception cref="CheckpointException">The checkpoint or its tokenizer cannot be used.</exception>
    /// <exception cref="IOException">The host to listen on has no address, or the limit of descriptors is too low.</exception>
    /// <exception cref="InvalidDataException">The cluster key or the certificate cannot be used.</exception>
    /// <exception cref="FormatException">The layer ranges are none of this model.</exception>
    /// <exception cref="ArgumentException">The tokenizer lacks a special token that the chosen chat template needs.</exception>
    public static async Task RunAsync(GatewayOptions options)
    {
        using var telemetry = ProcessTelemetry.Start("llama-gateway", options.Name, isScraped: HasDescriptorsForMetrics);
        await using WebApplication gateway = Build(options, telemetry, out Task<ModelText>? reading);
        try
        {
            await gateway.StartAsync();
            SayConnections(gateway.Logger);
            if (reading is not null)
            {
                SayText(gateway.Logger, await reading, options.Model);
                gateway.Services.GetRequiredService<Grammars>().Prepare();
            }
        }
        catch
        {
            // What runs already must not find its services gone.
            await gateway.StopAsync();
            throw;
        }

        await gateway.WaitForShutdownAsync();
    }

    private static void SayText(ILogger logger, ModelText text, string model)
    {
        foreach (string warning in text.Warnings) Log.Assumed(logger, warning);
        if (text.Reason is { } reason) Log.ChatTemplate(logger, reason);
        else Log.NoTokenizer(logger, model);
    }

    /// <summary>Names the bound that the system's limit of descriptors sets.</summary>
    /// <exception cref="IOException">It is too low to serve.</exception>
    private static void SayConnections(ILogger logger)
    {
        if (Descriptors.Limit is not { } limit || Descriptors.Left() is not { } left) return;
        int connections = Math.Min(MaxConnections, left - Descriptors.KeptFromClients);
        if (connections < LeastConnections)
        {
            throw new IOException(
                $"This process may have {limit} descriptors (ulimit -n), which leaves room for {Math.Max(0, connections)} connections; expected at"
                + $" least {LeastConnections}, so a limit of {limit - connections + LeastConnections} or more.");
        }

        Log.Connections(logger, connections, limit);
        if (!HasDescriptorsForMetrics) Log.NoMetrics(logger, DescriptorsForMetrics);
    }

    /// <param name="options">What the process was told.</param>
    /// <param name="telemetry">Who hears what is measured.</param>
    /// <param name="text">Reads the tokenizer; null for a front, which has none.</param>
    private static WebApplication Build(GatewayOptions options, ProcessTelemetry telemetry, out Task<ModelText>? text)
    {
        // A vocabulary takes as long to read as the web server to set up and a pipeline to open.
        List<string> warnings = [];
        Task<ITokenizer?>? tokenizer = options.Front ? null : Task.Run(() => TokenizerLoader.Load(options.Model, warnings));
        if (options.ServesAlone) Instructions.Choose(options.Instructions);
        IDevice? device = options.ServesAlone ? OpenDevice(options) : null;
        Task<MachineRates>? rates = device?.MeasureAsync();
        ProcessCertificate? certificate = CertificateFolder.Load(options.Tls);
        ReadOnlyMemory<byte> key = ClusterKey.Load(options.ClusterKeyFile);
        WebApplicationBuilder builder = CreateBuilder(options, certificate);
        telemetry.AddTo(builder.Logging);
        if (telemetry.Scrape is { } scrape) builder.Services.AddSingleton(scrape);
        string? name = null;
        text = null;
        if (tokenizer is null)
        {
            builder.Services.AddFront(options, key, certificate);
        }
        else
        {
            using Checkpoint checkpoint = OpenCheckpoint(options);
            var identity = new LinkIdentity
            {
                Name = options.Silos > 0 ? options.Name : "gateway",
                Model = ModelIdentity.Of(checkpoint, KvTypeAttribute.Parse(options.KvType)),
                Credentials = new ClusterCredentials { Key = key, Certificate = certificate },
            };
            name = options.ModelName ?? Checkpoint.NameOf(options.Model);
            text = ModelText.ReadAsync(tokenizer, warnings, options.Model, checkpoint.Config.Family, options.ChatTemplate);
            var shape = new ModelShape(
                name, identity.Model.Fingerprint, checkpoint.Config.ContextLength, checkpoint.Config.VocabSize, checkpoint.Config.Sampling);
            var model = new LocalModel(shape, text);
            var grammars = new Grammars(model, [.. checkpoint.Config.EndTokens]);
            builder.Services.AddSingleton(model);
            builder.Services.AddSingleton(grammars);
            builder.Services.AddSingleton<IModelSource>(provider => provider.GetRequiredService<LocalModel>());
            builder.Services.AddSingleton(identity);
            builder.Services.AddSingleton(Settings(options, checkpoint, identity, name, grammars));
            if (device is null) builder.Services.AddSharedPipelines(options, identity);
            else builder.Services.AddOwnPipelines(SiloSettings(options, checkpoint, identity, device, rates!.GetAwaiter().GetResult()));
        }

        builder.Services.AddSingleton(new EmbeddingDefaults(EmbeddingReader.PoolingOf(options.Pooling)));
        builder.Services.AddLlamaApi(key, options.UnknownFields == "ignore", Access(options), options.Host, options.Advertise);

        // Its assemblies take time to load, and descriptors.
        bool hasRpc = options.GrpcPort is not null || options.Tls is not null;
        if (hasRpc) builder.Services.AddLlamaRpc();
        WebApplication application = builder.Build();
        application.UseLlamaOrigins();
        application.MapLlamaApi();
        if (hasRpc) application.MapLlamaRpc();
        application.UsePipelines();
        ParentWatch.Start(application.Lifetime.StopApplication);
        application.Lifetime.ApplicationStarted.Register(
            () =>
            {
                Log.Listening(application.Logger, name ?? "The cluster's model", application.Urls.First());
                if (options.GrpcPort is not null) Log.ListeningForGrpc(application.Logger, application.Urls.Last());
            });
        return application;
    }

    private static IDevice OpenDevice(GatewayOptions options)
    {
        using ILoggerFactory startLogging = LoggerFactory.Create(logging => logging.AddProcessLogging(options.Verbose, options.LogFormat));
        ILogger logger = startLogging.CreateLogger("Llama.Gateway");
        return Devices.Open(
            options.Devices, options.Torch, options.Threads, CoreList.Parse(options.Cores), warning => Log.Assumed(logger, warning));
    }

    private static ApiAccess Access(GatewayOptions options) => new()
    {
        KeyFile = options.ApiKeyFile,
        IsLoopback = HostPort.Parse(options.Host).IsLoopback,
        Origins = options.CorsOrigins?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [],
        CachePerKey = options.CachePerKey,
    };

    private static Checkpoint OpenCheckpoint(GatewayOptions options)
    {
        using ILoggerFactory startLogging = LoggerFactory.Create(logging => logging.AddProcessLogging(options.Verbose, options.LogFormat));
        ILogger logger = startLogging.CreateLogger("Llama.Gateway");
        Checkpoint checkpoint = options.OpenCheckpoint(options.Threads);
        foreach (string assumption in checkpoint.Assumptions) Log.Assumed(logger, assumption);
        return checkpoint;
    }

    /// <summary>A web server with its port, clock and logs, and nothing to serve yet.</summary>
    private static WebApplicationBuilder CreateBuilder(GatewayOptions options, ProcessCertificate? certificate)
    {
        // Only what is used here: the slim builder also reads settings from files and watches all folders below the working one for their change.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<SocketTransportFactory>();
        builder.Services.AddSingleton<IConnectionListenerFactory, HttpListenerFactory>();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(services => new ServingTime(
            services.GetRequiredService<IHostApplicationLifetime>(), options.ShutdownTimeout));
        builder.Logging.AddProcessLogging(options.Verbose, options.LogFormat).AddFilter("Grpc", options.Verbose ? LogLevel.Information : LogLevel.Warning);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout + HostEnd);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(HostPort.Parse(options.Host).FindAddress(), options.Port, port =>
            {
                if (certificate is not null) HttpsPort.Secure(port, certificate);
            });
            if (options.GrpcPort is { } grpcPort)
                kestrel.Listen(HostPort.Parse(options.Host).FindAddress(), grpcPort, port => port.Protocols = HttpProtocols.Http2);
            kestrel.AddServerHeader = false;
            kestrel.Limits.Http2.KeepAlivePingDelay = Http2Silence;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.Limits.MaxConcurrentUpgradedConnections = MaxConnections;
        });
        return builder;
    }

    /// <summary>What the device of a gateway that serves alone is started with.</summary>
    private static SiloSettings SiloSettings(
        GatewayOptions options, Checkpoint checkpoint, LinkIdentity gateway, IDevice device, MachineRates rates) => new()
    {
        Identity = gateway with { Name = "embedded" },
        OpenCheckpoint = () => options.OpenCheckpoint(options.Threads),
        Device = device,
        Offer = device.Offer(checkpoint, gateway.Model.KvType),
        Memory = options.Memory?.Bytes,
        Rates = rates,
    };

    private static ClusterSettings Settings(
        GatewayOptions options, Checkpoint checkpoint, LinkIdentity identity, string name, Grammars grammars) => new()
    {
        Grammars = grammars,
        ModelName = name,
        Config = checkpoint.Config,
        ElementBytes = (double)checkpoint.WeightType.BlockBytes() / checkpoint.WeightType.BlockElements(),
        Identity = identity,
        Replicas = options.Replicas,
        ExpectedSilos = Math.Max(1, options.Silos),
        SiloWait = options.SiloWait,
        Ranges = options.Ranges is null ? null : LayerRanges.Parse(options.Ranges, checkpoint.Config.Layers),
        KvMemory = options.KvMemory.Bytes,
        Limits = new SchedulerLimits
        {
            MaxWaiting = options.MaxWaiting,
            MaxWaitingTokens = options.MaxWaitingTokens,
            ClientShare = options.ClientShare,
            StepTokens = options.StepTokens,
            RecoveryTimeout = options.RecoveryTimeout,
        },
    };

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "{Assumption}")]
        public static partial void Assumed(ILogger logger, string assumption);

        [LoggerMessage(2, LogLevel.Information, "{Reason}")]
        public static partial void ChatTemplate(ILogger logger, string reason);

        [LoggerMessage(3, LogLevel.Warning, "{Model} has no tokenizer: only prompts of token ids are served")]
        public static partial void NoTokenizer(ILogger logger, string model);

        [LoggerMessage(4, LogLevel.Information, "{Model} is served at {Url}: web page {Url}/, OpenAI base URL {Url}/v1")]
        public static partial void Listening(ILogger logger, string model, string url);

        [LoggerMessage(6, LogLevel.Information, "gRPC (llama.v1) is served at {Url}, without TLS")]
        public static partial void ListeningForGrpc(ILogger logger, string url);

        [LoggerMessage(7, LogLevel.Information, "/metrics stays off: it takes {Descriptors} descriptors")]
        public static partial void NoMetrics(ILogger logger, int descriptors);

        [LoggerMessage(5, LogLevel.Information, "At most about {Connections} HTTP connections at once: this process may have {Descriptors} descriptors (ulimit -n)")]
        public static partial void Connections(ILogger logger, int connections, int descriptors);
    }
}
