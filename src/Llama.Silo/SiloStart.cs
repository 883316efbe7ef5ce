using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Microsoft.Extensions.Logging;

namespace Llama.Silo;

/// <summary>From options to what a silo is started with.</summary>
internal static partial class SiloStart
{
    /// <summary>Opens the checkpoint once, for its configuration, and says what the silo is.</summary>
    /// <exception cref="CheckpointException">The checkpoint cannot be used.</exception>
    /// <exception cref="IOException">The device cannot be used.</exception>
    /// <exception cref="InvalidDataException">The cluster key or the certificate cannot be used.</exception>
    public static SiloSettings Settings(SiloOptions options, ILogger logger)
    {
        Instructions.Choose(options.Instructions);
        IDevice device = Devices.Open(
            options.Devices, options.Torch, options.Threads, CoreList.Parse(options.Cores), warning => Log.Assumed(logger, warning));
        Task<MachineRates> measuring = device.MeasureAsync();
        using Checkpoint checkpoint = options.OpenCheckpoint(options.Threads);
        foreach (string assumption in checkpoint.Assumptions) Log.Assumed(logger, assumption);
        HostPort listen = HostPort.Parse(options.Listen);
        ElementType kvType = KvTypeAttribute.Parse(options.KvType);
        Log.Started(logger, options.Name, options.Threads, options.Model);
        return new SiloSettings
        {
            Identity = new LinkIdentity
            {
                Name = options.Name,
                Model = ModelIdentity.Of(checkpoint, kvType),
                Credentials = new ClusterCredentials
                {
                    Key = ClusterKey.Load(options.ClusterKeyFile),
                    Certificate = CertificateFolder.Load(options.Tls),
                },
            },
            OpenCheckpoint = () => options.OpenCheckpoint(options.Threads),
            Device = device,
            Offer = device.Offer(checkpoint, kvType),
            ListenHost = listen.Host,
            ListenPort = listen.Port ?? 0,
            Advertise = options.Advertise,
            Memory = options.Memory?.Bytes,
            LogMemory = options.LogMemory.Bytes,
            Rates = measuring.GetAwaiter().GetResult(),
        };
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "{Assumption}")]
        public static partial void Assumed(ILogger logger, string assumption);

        [LoggerMessage(2, LogLevel.Information, "{Silo} computes with {Threads} threads from {Model}")]
        public static partial void Started(ILogger logger, string silo, int threads, string model);
    }
}
