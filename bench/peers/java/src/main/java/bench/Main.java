package bench;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.codec.LengthFieldPrepender;
import io.netty.handler.codec.http.HttpServerCodec;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.function.Consumer;

/**
 * The peer Netty: {@code java -jar netty.jar KIND URL}, with KIND echo, frames, http, udp or broadcast.
 *
 * <p>After Netty's user guide, its examples echo, http.helloworld and securechat, and the wiki's page "Native
 * transports". Set here: the native epoll transport, one thread for all channels, a backlog of 4,096, TCP_NODELAY on
 * (as the native transport has it by default), room for the longest datagram. Buffers are pooled, by the allocator
 * that Netty has by default.
 */
public final class Main {
    private static final int BACKLOG = 4096;
    private static final int LENGTH = 4;
    private static final int MAX_BODY = 4 << 20;
    private static final int MAX_DATAGRAM = 65_535;
    /** Bad use: an unknown kind, too few arguments. */
    private static final int USAGE = 2;

    private Main() {}

    /** Serves until a signal ends the process. */
    public static void main(String[] args) throws InterruptedException {
        if (args.length != 2) {
            complain("usage: netty {echo|frames|http|udp|broadcast} URL");
        }
        URI url = URI.create(args[1]);
        InetSocketAddress address = new InetSocketAddress(url.getHost(), url.getPort());
        switch (args[0]) {
            case "echo" -> serve(address, channel -> channel.pipeline().addLast(new Echo()));
            case "frames" -> serve(address, Main::addFrames);
            case "http" -> serve(address, channel -> channel.pipeline().addLast(new HttpServerCodec(), new Page()));
            case "udp" -> serveDatagrams(address);
            case "broadcast" -> {
                Broadcast everybody = new Broadcast();
                serve(address, channel -> channel.pipeline().addLast(everybody));
            }
            default -> complain("unknown kind " + args[0] + ": there are echo, frames, http, udp and broadcast");
        }
    }

    private static void addFrames(Channel channel) {
        channel.pipeline().addLast(
                new LengthFieldBasedFrameDecoder(LENGTH + MAX_BODY, 0, LENGTH, 0, LENGTH),
                new LengthFieldPrepender(LENGTH),
                new Echo());
    }

    private static void serve(InetSocketAddress address, Consumer<Channel> session) throws InterruptedException {
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(thread())
                .channel(EpollServerSocketChannel.class)
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childHandler(initializer(session));
        announce("tcp", bootstrap.bind(address).sync().channel());
    }

    private static ChannelHandler initializer(Consumer<Channel> session) {
        return new ChannelInitializer<SocketChannel>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                session.accept(channel);
            }
        };
    }

    private static void serveDatagrams(InetSocketAddress address) throws InterruptedException {
        Bootstrap bootstrap = new Bootstrap()
                .group(thread())
                .channel(EpollDatagramChannel.class)
                .option(ChannelOption.RECVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(MAX_DATAGRAM))
                .handler(new Datagrams());
        announce("udp", bootstrap.bind(address).sync().channel());
    }

    /** One thread accepts and does everything else. It keeps the process alive. */
    private static EventLoopGroup thread() {
        return new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    }

    private static void announce(String scheme, Channel channel) {
        InetSocketAddress address = (InetSocketAddress) channel.localAddress();
        // As one string: printf would write it in pieces.
        System.out.println("listening on " + scheme + "://" + address.getHostString() + ":" + address.getPort());
        System.out.flush();
    }

    private static void complain(String message) {
        System.err.println(message);
        System.exit(USAGE);
    }
}
