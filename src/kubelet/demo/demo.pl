#!/usr/bin/perl
# The demo pod: one HTTP page that shows who this pod is, the token and CA it was given, and the requests it has answered.
# Core modules only. Listens on the pod's own address.
use strict;
use warnings;
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);

my $root    = $ENV{FAIRLEAD_ROOT} // '';
my $mount   = "$root/var/run/secrets/kubernetes.io/serviceaccount";
my $address = $ENV{POD_IP} // $ENV{FAIRLEAD_POD_IP} // '127.0.0.1';
my $port    = $ENV{PORT}   // 8080;
my @requests;

sub content {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    my $text = <$file> // '';
    chomp $text;
    return $text;
}

sub claims {
    my ( undef, $payload ) = split /\./, content("$mount/token");
    return '(no token)' unless defined $payload;
    $payload =~ tr{-_}{+/};
    my $text = decode_base64($payload);
    $text =~ s/,/,\n    /g;
    return $text;
}

sub page {
    my $ca = content("$mount/ca.crt");
    my $lines = () = $ca =~ /BEGIN CERTIFICATE/g;
    return join "\n",
      "Hello from pod @{[$ENV{POD_NAME} // $ENV{HOSTNAME} // '?']}",
      '',
      "namespace        " . content("$mount/namespace"),
      "node             " . ( $ENV{NODE_NAME} // '?' ),
      "address          $address:$port",
      "API server       https://" . ( $ENV{KUBERNETES_SERVICE_HOST} // '?' ) . ':' . ( $ENV{KUBERNETES_SERVICE_PORT} // '?' ),
      "cluster CA       $lines certificate(s), " . length($ca) . ' bytes',
      "token claims     " . claims(),
      "requests         " . scalar(@requests),
      ( map { "    $_" } @requests ),
      '';
}

my $server = IO::Socket::INET->new( LocalAddr => $address, LocalPort => $port, Listen => 64, ReuseAddr => 1 )
  or die "cannot listen on $address:$port: $@\n";
$| = 1;
$SIG{TERM} = sub { print "stopping\n"; exit 0 };
$SIG{PIPE} = 'IGNORE';
print "listening on http://$address:$port\n";

while (1) {
    my $client = $server->accept or next;
    my $peer = $client->peerhost // '?';
    eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        alarm 5;
        my $head = '';
        while ( $head !~ /\r?\n\r?\n/ && length($head) < 16384 ) {
            sysread( $client, $head, 4096, length $head ) or last;
        }
        my ($line) = $head =~ /^([A-Z]+ \S+)/;
        if ( defined $line ) {
            my @now = gmtime;
            my $entry = sprintf '%02d:%02d:%02dZ %s %s', @now[ 2, 1, 0 ], $peer, $line;
            print "$entry\n";
            push @requests, $entry;
            shift @requests if @requests > 20;
            my $body = page();
            syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
              . length($body) . "\r\nConnection: close\r\n\r\n$body";
        }
        alarm 0;
    };
    close $client;
}
